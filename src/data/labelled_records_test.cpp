#include "data/labelled_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "data/label_set.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace labelled_records_test {

using test::error_of;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

LabelledRecords read(const test::TempDirectory& dir, const std::string& name,
                     const std::string& text, const LabelledOptions& options = {}) {
  write_file_atomic(dir / name, text);
  return read_labelled(dir / name, options);
}

TEST(LabelledRecords, PairsOfATsvFileWithAHeader) {
  const test::TempDirectory dir;
  const auto records = read(dir, "rte.tsv",
                            "index\tsentence1\tsentence2\tlabel\n"
                            "0\t\"He said\tno\" he did\tentailment\n"
                            "1\tB\tC\tnot_entailment\n");
  ASSERT_EQ(records.records.size(), 2U);
  EXPECT_EQ(records.records[0].first, "\"He said");
  EXPECT_EQ(records.records[0].second, "no\" he did");
  EXPECT_EQ(records.records[1].label, "not_entailment");
  EXPECT_EQ(records.place(records.records[1]), (dir / "rte.tsv").string() + ":3");
  EXPECT_EQ(records.text_columns, "sentence1 and sentence2");
}

TEST(LabelledRecords, ColumnsByNumberOfAFileWithoutHeader) {
  const test::TempDirectory dir;
  LabelledOptions options{.text_columns = {"4"}, .label_column = "2", .header = false};
  const auto records = read(dir, "cola.tsv", "gj04\t1\t\tFine.\ngj04\t0\t*\tBad a.\n", options);
  ASSERT_EQ(records.records.size(), 2U);
  EXPECT_EQ(records.records[1].first, "Bad a.");
  EXPECT_EQ(records.records[1].label, "0");
  EXPECT_FALSE(records.records[1].second);
  options.text_columns = {"5"};
  EXPECT_THAT(error_of([&] { read(dir, "cola.tsv", "gj04\t1\t\tFine.\n", options); }),
              HasSubstr("no column \"5\"; it has 1, 2, 3, 4"));
}

TEST(LabelledRecords, ANameOfSeveralColumnsIsNoChoice) {
  const test::TempDirectory dir;
  const std::string rows = "text,label,label\nA,yes,1\nB,no,0\n";
  EXPECT_THAT(error_of([&] { read(dir, "a.csv", rows); }),
              HasSubstr("several columns are called \"label\""));
  LabelledOptions options;
  options.label_column = "1";
  EXPECT_THAT(error_of([&] { read(dir, "a.csv", rows, options); }),
              HasSubstr("--text-columns: column 1 is that of the label"));
  options.label_column = "3";
  EXPECT_EQ(read(dir, "a.csv", rows, options).records[1].label, "0");
}

TEST(LabelledRecords, JsonLabelsAreWordsOrNumbers) {
  const test::TempDirectory dir;
  const auto records = read(dir, "a.jsonl",
                            R"({"text": "x", "label": 1})"
                            "\n"
                            R"({"text": "y", "label": "yes"})"
                            "\n"
                            R"({"text": "z", "label": 2.5})"
                            "\n"
                            R"({"text": "z", "label": true})");
  ASSERT_EQ(records.records.size(), 4U);
  EXPECT_EQ(records.records[0].label, "1");
  EXPECT_EQ(records.records[1].label, "yes");
  EXPECT_EQ(records.records[2].label, "2.5");
  EXPECT_EQ(records.records[3].label, "true");
}

// JSON has no infinity, whose text is that of null.
TEST(LabelledRecords, ANumberBeyondTheRangeIsNoLabel) {
  const test::TempDirectory dir;
  EXPECT_THAT(error_of([&] { read(dir, "a.jsonl", "{\"text\": \"x\", \"label\": 1e400}\n"); }),
              HasSubstr("column label must be a word or a number"));
}

TEST(LabelledRecords, BlanksAroundNamesAreNoPartOfThem) {
  const test::TempDirectory dir;
  const auto records = read(dir, "a.csv", "text, label,\nx, no ,\ny, yes,\n");
  EXPECT_EQ(records.label_column, "label");
  EXPECT_EQ(records.records[0].label, "no");
  EXPECT_THAT(records.unused_columns, ElementsAre("3")) << "a column without a name";
  const LabelSet stored({"no ", " yes"});
  EXPECT_EQ(stored.find("yes"), 1);
  EXPECT_EQ(stored.find(" no"), 0);
  EXPECT_THAT(error_of([] { LabelSet({"no", "no "}); }), HasSubstr("\"no\" is given twice"));
  EXPECT_THAT(error_of([] { LabelSet({"no", " "}); }), HasSubstr("a label is empty"));
}

std::string hint_for(const test::TempDirectory& dir, const std::string& name,
                     const std::string& text, const LabelledOptions& options = {}) {
  try {
    read(dir, name, text, options);
  } catch (const Error& error) {
    return error.hint();
  }
  return "";
}

TEST(LabelledRecords, OtherSeparatorsAreNamed) {
  const test::TempDirectory dir;
  EXPECT_THAT(hint_for(dir, "a.csv", "text;label\nx;1\n"), HasSubstr("sep=\";\""));
  EXPECT_THAT(hint_for(dir, "a.csv", "text\tlabel\nx\t1\n"), HasSubstr("--table tsv"));
  EXPECT_THAT(hint_for(dir, "a.tsv", "text,label\nx,1\n"), HasSubstr("--table csv"));
  EXPECT_THAT(hint_for(dir, "msr.txt", "text\tlabel\nx\t1\n"), HasSubstr("--table tsv"));
  EXPECT_THAT(hint_for(dir, "data", "text,label\nx,1\n"), HasSubstr("--table csv"));
  EXPECT_EQ(read(dir, "data", "text,label\nx,1\n", {.table = TableForm::kCsv}).records.size(), 1U);
  EXPECT_THAT(error_of([&] {
                read(dir, "a.jsonl", "{\"text\": \"x\", \"label\": 1}\n", {.header = false});
              }),
              HasSubstr("--no-header applies only to CSV and TSV"));
  EXPECT_THAT(error_of([&] { read(dir, "mac.csv", "text,label\rx,1\ry,0\r"); }),
              HasSubstr("end with carriage returns alone"));
  EXPECT_THAT(
      error_of([&] { read(dir, "a.csv", "text,label\nx,1\n", {.text_columns = {"text", "1"}}); }),
      HasSubstr("names the column text twice"));
}

TEST(LabelledRecords, AdaptersAreNamedByAColumnOfTheirOwn) {
  const test::TempDirectory dir;
  const LabelledOptions options{.adapter_column = "adapter"};
  const std::string table = "text,adapter,label\nx, b ,1\ny,,0\n";
  const auto names = [](const LabelledRecords& of) {
    std::vector<std::string> list;
    for (const LabelledRecord& record : of.records) list.push_back(record.adapter);
    return list;
  };
  const LabelledRecords asked = read(dir, "a.csv", table, options);
  EXPECT_THAT(names(asked), ElementsAre("b", ""));
  EXPECT_TRUE(asked.unused_columns.empty());
  EXPECT_THAT(names(read(dir, "a.csv", table)), ElementsAre("", ""));  // not asked for
  EXPECT_THAT(names(read(dir, "b.csv", "text,label\nx,1\n", options)), ElementsAre(""));
  const std::string lines =
      "{\"text\": \"x\", \"label\": 1, \"adapter\": \"b\"}\n{\"text\": \"y\", \"label\": 0}\n";
  const LabelledRecords listed = read(dir, "a.jsonl", lines, options);
  EXPECT_THAT(names(listed), ElementsAre("b", ""));
  EXPECT_TRUE(listed.unused_columns.empty());
  const std::string none = "{\"text\": \"x\", \"label\": 1, \"adapter\": null}\n";
  EXPECT_THAT(error_of([&] { read(dir, "c.jsonl", none, options); }),
              HasSubstr("column adapter must name an adapter"));
}

TEST(LabelledRecords, BadRowsNameFileAndLineOrAreCounted) {
  const test::TempDirectory dir;
  const std::string tsv = "sentence\tlabel\nfine\t1\nshort\nlong\t1\tx\nempty\t \nbad \xFF\t1\n";
  const auto error = [&](const std::string& text) {
    return error_of([&] { read(dir, "a.tsv", text); });
  };
  EXPECT_THAT(error(tsv), HasSubstr("a.tsv:3: the row has 1 cells, column 2 (label) is missing"));
  EXPECT_THAT(error("sentence\tlabel\nlong\t1\tx\n"), HasSubstr("has 3 cells, the header 2"));
  EXPECT_THAT(error("sentence\tlabel\nempty\t \n"), HasSubstr("a.tsv:2: the label is empty"));
  EXPECT_THAT(error("sentence\tlabel\n"), HasSubstr("the data set is empty"));
  EXPECT_THAT(error("a\tb\n1\t2\n"), HasSubstr("no column is known as a text; there are a, b"));
  const auto records = read(dir, "a.tsv", tsv, {.skip_bad_lines = true});
  EXPECT_EQ(records.records.size(), 1U);
  EXPECT_EQ(records.num_bad, 4);
  EXPECT_EQ(records.bad[0].place, "3");
  EXPECT_THAT(error_of([&] {
                read(dir, "a.jsonl", "{\"text\": \"x\", \"label\": 1}\n{\"text\": \"y\"}\n");
              }),
              HasSubstr("a.jsonl:2: column label is missing"));
  EXPECT_EQ(error_of([&] { read(dir, "b.jsonl", "{\"prompt\": \"x\", \"label\": 1}\n"); }),
            (dir / "b.jsonl").string() + ": no column is known as a text; there are prompt, label");
  EXPECT_EQ(read(dir, "c.jsonl", "{\"a\": 1}\n{\"text\": \"x\", \"label\": 1}\n",
                 {.skip_bad_lines = true})
                .num_bad,
            1);
}

TEST(LabelledRecords, TablesOfOtherKindsAreNamed) {
  const test::TempDirectory dir;
  const auto error = [&](const std::string& text) {
    return error_of([&] { read(dir, "a.csv", text); });
  };
  EXPECT_THAT(error(std::string("\xFF\xFEt\0", 4)), HasSubstr("a.csv: is UTF-16 text"));
  EXPECT_THAT(error("PK\3\4"), HasSubstr("a.csv: is a zip archive or a spreadsheet"));
  EXPECT_THAT(error(std::string("text,label\na\0b,1\n", 17)),
              HasSubstr("a.csv:2: it holds a NUL byte"));
}

TEST(LabelledRecords, HeldOutRecordsFollowFromTheSeed) {
  const test::TempDirectory dir;
  std::string text = "sentence,label\n";
  for (int i = 0; i < 50; ++i) text += "s" + std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  const auto split = [&](std::uint64_t seed) {
    LabelledRecords train = read(dir, "a.csv", text);
    const LabelledRecords held = hold_out(train, 0.2, seed);
    EXPECT_EQ(train.records.size(), 40U);
    EXPECT_EQ(held.records.size(), 10U);
    const auto by_line = [](const auto& a, const auto& b) { return a.line < b.line; };
    EXPECT_TRUE(std::ranges::is_sorted(held.records, by_line));
    EXPECT_TRUE(std::ranges::is_sorted(train.records, by_line));
    return held.fingerprint();
  };
  EXPECT_EQ(split(1), split(1));
  EXPECT_NE(split(1), split(2));
}

TEST(LabelSet, SummariesNameColumnsThatAreNotUsed) {
  const test::TempDirectory dir;
  const auto table = read(dir, "a.csv", "id,text,title,label\n1,a,x,0\n2,b,y,1\n");
  EXPECT_THAT(class_summary(table, LabelSet::of(table)), EndsWith("; columns not used: id, title"));
  EXPECT_THAT(number_summary(table), EndsWith("; columns not used: id, title"));
  const auto lines = read(dir, "a.jsonl",
                          "{\"text\": \"a\", \"label\": 0}\n"
                          "{\"text\": \"b\", \"label\": 1, \"lang\": \"en\"}\n");
  EXPECT_THAT(class_summary(lines, LabelSet::of(lines)), EndsWith("; columns not used: lang"));
  const auto all = read(dir, "b.csv", "text,label\na,0\nb,1\n");
  EXPECT_THAT(class_summary(all, LabelSet::of(all)), Not(HasSubstr("not used")));
}

TEST(LabelSet, NumbersAndWordsAreOrdered) {
  const test::TempDirectory dir;
  const auto numbers = read(dir, "a.csv", "text,label\na,10\nb,9\nc,10\n");
  EXPECT_THAT(LabelSet::of(numbers).names(), ElementsAre("9", "10"));
  EXPECT_THAT(class_summary(numbers, LabelSet::of(numbers)),
              HasSubstr("3 records; labels: 9 1 (33.3 %), 10 2 (66.7 %)"));
  const auto parts = read(dir, "d.csv", "text,label\na,10.0\nb,9.5\n");
  EXPECT_THAT(LabelSet::of(parts).names(), ElementsAre("9.5", "10.0"));
  const auto forms = read(dir, "e.csv", "text,label\na,0\nb,1\nc,0.00\n");
  EXPECT_THAT(error_of([&] { LabelSet::of(forms); }),
              HasSubstr("the labels \"0\" and \"0.00\" are the same number"));
  const auto mixed = read(dir, "f.csv", "text,label\na,1\nb,none\nc,1.0\n");
  EXPECT_THAT(error_of([&] { LabelSet::of(mixed); }),
              HasSubstr("the labels \"1\" and \"1.0\" are the same number"));
  const auto words = read(dir, "b.csv", "text,label\na,no\nb,maybe\n");
  EXPECT_THAT(LabelSet::of(words).names(), ElementsAre("maybe", "no"));
  const auto one = read(dir, "c.csv", "text,label\na,no\nb,no\n");
  EXPECT_THAT(error_of([&] { LabelSet::of(one); }), HasSubstr("all records have the label \"no\""));
}

TEST(LabelSet, NamesOfACommandLineAreReadAsThoseOfData) {
  const test::TempDirectory dir;
  const auto table = read(dir, "a.csv", "text,label\na, no\nb,yes \n");
  const LabelSet labels(given_labels({"no", " yes"}));
  EXPECT_THAT(labels.names(), ElementsAre("no", "yes"));
  EXPECT_THAT(class_counts(table, labels), ElementsAre(1, 1));
}

TEST(LabelSet, IdsStandForNamesThatAreWords) {
  const LabelSet words({"neg", "pos"});
  EXPECT_EQ(words.find("pos"), 1);
  EXPECT_EQ(words.find("1"), 1);
  EXPECT_EQ(words.find("2"), std::nullopt);
  const LabelSet numbers({"5", "1"});
  EXPECT_EQ(numbers.find("1"), 1);
  EXPECT_EQ(numbers.find("0"), std::nullopt);
  // As tables with empty cells spell whole numbers once they have been read and written.
  EXPECT_EQ(words.find("1.0"), 1);
  EXPECT_EQ(words.find("0.5"), std::nullopt);
  EXPECT_EQ(numbers.find("1.0"), 1);
  const LabelSet stars({"1.0", "2.0", "3.0"});
  EXPECT_EQ(stars.find("1"), 0);
  EXPECT_EQ(stars.find("0"), std::nullopt);
  const LabelSet sections({"1.1", "1.10"});
  EXPECT_EQ(sections.find("1.10"), 1);
  EXPECT_EQ(sections.find("1.100"), std::nullopt);
  EXPECT_THAT(error_of([] { LabelSet({"a", "a"}); }), HasSubstr("\"a\" is given twice"));
  EXPECT_TRUE(are_placeholders({"LABEL_0", "LABEL_1"}));
  EXPECT_FALSE(are_placeholders({"LABEL_1", "LABEL_0"}));
  const Json config = {{"id2label", {{"1", "b"}, {"0", "a"}}}};
  EXPECT_THAT(id2label_names(config), ElementsAre("a", "b"));
  EXPECT_TRUE(id2label_names({{"id2label", {{"1", "b"}}}}).empty());
}

// transformers calls outputs without names so.
TEST(LabelSet, PlaceholdersStandForIds) {
  const LabelSet words({"neg", "pos"}), numbers({"5", "1"});
  EXPECT_EQ(words.find("LABEL_1"), 1);
  EXPECT_EQ(words.find("LABEL_2"), std::nullopt);
  EXPECT_EQ(words.find("LABEL_pos"), std::nullopt);
  EXPECT_EQ(numbers.find("LABEL_0"), 0);
  EXPECT_EQ(LabelSet({"LABEL_1", "LABEL_0"}).find("LABEL_0"), 1);
  EXPECT_EQ(renamed_labels({"LABEL_0", "LABEL_1"}, {"0", "1"}), "");
  EXPECT_EQ(renamed_labels({"LABEL_0", "LABEL_1"}, {"no", "LABEL_1"}), "LABEL_0 -> no");
}

LabelledRecords labels_of(const std::vector<std::string>& labels) {
  LabelledRecords records;
  records.name = "set";
  records.label_column = "label";
  std::int64_t line = 1;
  for (const std::string& label : labels) records.records.push_back({"x", {}, label, ++line});
  return records;
}

TEST(LabelSet, LabelsThatLookAlikeAreTold) {
  const std::string composed = "caf\u00e9", decomposed = "cafe\u0301";
  const LabelledRecords both = labels_of({composed, decomposed});
  EXPECT_THAT(error_of([&] { LabelSet::of(both); }), HasSubstr("two labels look alike"));
  const auto hint = [](const LabelledRecords& records, const LabelSet& labels) -> std::string {
    try {
      class_counts(records, labels);
    } catch (const FileError& error) {
      return error.hint();
    }
    return "";
  };
  EXPECT_THAT(hint(labels_of({decomposed}), LabelSet({composed, "tea"})),
              HasSubstr("\"" + composed + "\" is another label"));
  EXPECT_THAT(hint(labels_of({"no"}), LabelSet({"No", "Yes"})), HasSubstr("\"No\" is another"));
  for (const char* mark : {"-", "-1", "-1.0"}) {
    EXPECT_THAT(hint(labels_of({mark}), LabelSet({"0", "1"})), HasSubstr("without a label"));
  }
  EXPECT_THAT(hint(labels_of({"maybe"}), LabelSet({"no", "yes"})), HasSubstr("--labels"));
}

TEST(LabelSet, DoubtfulClassesAreTold) {
  const auto told = [](const std::vector<std::string>& names) {
    return doubtful_labels(LabelSet(names));
  };
  EXPECT_THAT(told({"-", "entailment", "neutral"}), ElementsAre(HasSubstr("the class \"-\"")));
  EXPECT_THAT(told({"-1", "0", "1", "2"}), ElementsAre(HasSubstr("the class \"-1\"")));
  EXPECT_THAT(told({"-1", "no", "yes"}), ElementsAre(HasSubstr("the class \"-1\"")));
  EXPECT_THAT(told({"0.25", "0.75"}), ElementsAre(HasSubstr("--task regress")));
  EXPECT_THAT(told({"No", "no"}), ElementsAre(HasSubstr("\"no\" differs from another")));
  for (const std::vector<std::string>& plain : std::vector<std::vector<std::string>>{
           {"-1", "1"}, {"-2", "-1", "0"}, {"0", "1"}, {"1.0", "2.0"}, {"no", "yes"}}) {
    EXPECT_TRUE(told(plain).empty()) << plain[0];
  }
}

// Classes beyond a thousand are those that come back, and those of folders.
TEST(LabelSet, ManyLabelsAreClassesWhereTheyComeBack) {
  std::vector<std::string> once;
  for (int i = 0; i < 1200; ++i) once.push_back("c" + std::to_string(i));
  std::vector<std::string> twice = once;
  twice.insert(twice.end(), once.begin(), once.end());
  EXPECT_THAT(error_of([&] { LabelSet::of(labels_of(once)); }),
              HasSubstr("has 1,200 different labels in 1,200 records"));
  const LabelSet many = LabelSet::of(labels_of(twice));
  EXPECT_EQ(many.size(), 1200);
  EXPECT_THAT(class_summary(labels_of(twice), many), EndsWith("and 1100 more"));
  LabelledRecords folders = labels_of(once);
  for (LabelledRecord& record : folders.records) record.line = 0;
  EXPECT_EQ(LabelSet::of(folders).size(), 1200);
}

TEST(LabelSet, UnknownAndMissingClassesAreReported) {
  const test::TempDirectory dir;
  const auto records = read(dir, "a.csv", "text,label\na,x\nb,y\n");
  EXPECT_THAT(error_of([&] { class_counts(records, LabelSet({"x", "z"})); }),
              HasSubstr("a.csv:3: the label \"y\" is none of x, z"));
  EXPECT_THAT(error_of([&] { require_every_class(records, LabelSet({"x", "y", "z"})); }),
              HasSubstr("no record has the label \"z\""));
}

TEST(LabelSet, TargetsOfRegressionAreNumbers) {
  const test::TempDirectory dir;
  const auto records = read(dir, "a.csv", "text,score\na,0.5\nb,-1e1\nc,nan\n");
  EXPECT_EQ(number_of(records, records.records[1]), -10);
  EXPECT_THAT(error_of([&] { number_summary(records); }),
              HasSubstr("a.csv:4: \"nan\" is no number"));
  const auto large = read(dir, "b.csv", "text,score\na,1000000001\nb,1000000003\nc,1e30\n");
  EXPECT_THAT(error_of([&] { number_of(large, large.records[2]); }),
              HasSubstr("b.csv:4: \"1e30\" is too large to learn"));
  const auto far = read(dir, "c.csv", "text,score\na,1000000001\nb,1000000003\n");
  EXPECT_THAT(number_summary(far), HasSubstr("deviation 1"));
}

struct GlueForm {
  const char* task;
  const char* text;  // a header, where the task has one, and two rows
  LabelledOptions options;
  const char *first, *second, *label;  // of the first row
};

// The columns of all tasks of GLUE as their files name them; quotes as they stand there.
const GlueForm kGlueForms[] = {
    {"CoLA",
     "gj04\t1\t\tThe \"sailors.\ngj04\t0\t*\tA.\n",
     {.text_columns = {"4"}, .label_column = "2", .header = false},
     "The \"sailors.",
     nullptr,
     "1"},
    {"SST-2", "sentence\tlabel\nhide new \t0\nb\t1\n", {}, "hide new ", nullptr, "0"},
    {"MRPC",
     "\xEF\xBB\xBFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
     "1\t70\t71\t\" A\tB \" .\n0\t72\t73\tC\tD\n",
     {},
     "\" A",
     "B \" .",
     "1"},
    {"STS-B",
     "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
     "0\tmain\tMSR\t2012\t0001\tnone\tnone\tA\tB\t5.000\n"
     "1\tmain\tMSR\t2012\t0002\tnone\tnone\tC\tD\t3.800\n",
     {},
     "A",
     "B",
     "5.000"},
    {"QQP",
     "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
     "1\t2\t3\tA?\tB?\t0\n4\t5\t6\tC?\tD?\t1\n",
     {},
     "A?",
     "B?",
     "0"},
    {"MNLI",
     "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\t"
     "sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label\n"
     "0\t1\t2n\tgov\t( a )\t( b )\t(ROOT a)\t(ROOT b)\tA\tB\tcontradiction\tneutral\n"
     "1\t1\t2e\tgov\t( a )\t( b )\t(ROOT a)\t(ROOT b)\tC\tD\tneutral\tentailment\n",
     {},
     "A",
     "B",
     "neutral"},
    {"MNLI, matched and mismatched",
     "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\t"
     "sentence2_binary_parse\tsentence1_parse\tsentence2_"
     "parse\tsentence1\tsentence2\tlabel1\tlabel2\t"
     "label3\tlabel4\tlabel5\tgold_label\n0\t1\t2\tfic\t(\t(\t(\t(\tA\tB\tentailment\tneutral\t"
     "neutral\tneutral\tneutral\tneutral\n1\t1\t2\tfic\t(\t(\t(\t("
     "\tC\tD\tneutral\tneutral\tneutral\t"
     "neutral\tneutral\tcontradiction\n",
     {},
     "A",
     "B",
     "neutral"},
    {"QNLI",
     "index\tquestion\tsentence\tlabel\n0\tWhen?\tIn \"1.\tentailment\n"
     "1\tWho?\tShe.\tnot_entailment\n",
     {},
     "When?",
     "In \"1.",
     "entailment"},
    {"RTE",
     "index\tsentence1\tsentence2\tlabel\n0\tA\tB\tnot_entailment\n1\tC\tD\tentailment\n",
     {},
     "A",
     "B",
     "not_entailment"},
    {"WNLI", "index\tsentence1\tsentence2\tlabel\n0\tA\tB\t1\n1\tC\tD\t0\n", {}, "A", "B", "1"},
};

TEST(LabelledRecords, EveryTaskOfGlueIsReadByItsColumns) {
  const test::TempDirectory dir;
  for (const GlueForm& form : kGlueForms) {
    SCOPED_TRACE(form.task);
    const LabelledRecords records = read(dir, "glue.tsv", form.text, form.options);
    ASSERT_EQ(records.records.size(), 2U);
    const LabelledRecord& row = records.records[0];
    EXPECT_EQ(row.first, form.first);
    EXPECT_EQ(row.second.value_or(""), form.second == nullptr ? "" : form.second);
    EXPECT_EQ(row.second.has_value(), form.second != nullptr);
    EXPECT_EQ(row.label, form.label);
  }
  EXPECT_THAT(error_of([&] { read(dir, "cola.tsv", kGlueForms[0].text); }),
              HasSubstr("no column is known as a text"));
}

// As in the distributed files of QQP, where a question lost its label.
TEST(LabelledRecords, ACutRowOfQqpIsNamedAndCanBeLeftOut) {
  const test::TempDirectory dir;
  const std::string rows =
      "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tA?\tB?\t0\n4\t5\t6\tC\n"
      "7\t8\t9\tE?\tF?\t1\n";
  EXPECT_THAT(error_of([&] { read(dir, "qqp.tsv", rows); }),
              HasSubstr("qqp.tsv:3: the row has 4 cells, column 5 (question2) is missing"));
  const LabelledRecords rest = read(dir, "qqp.tsv", rows, {.skip_bad_lines = true});
  EXPECT_EQ(rest.records.size(), 2U);
  EXPECT_EQ(rest.num_bad, 1);
}

// GLUE's own files, as many records as Python's reader finds rows.
TEST(LabelledRecords, FilesOfGlueAreReadWhole) {
  struct Task {
    const char* file;
    LabelledOptions options;
    std::size_t records;
  };
  const Task tasks[] = {
      {"glue/STS-B/dev.tsv", {}, 1500},
      {"glue/STS-B/train.tsv", {}, 5749},
      {"terms-unclear/glue/CoLA/train.tsv",
       {.text_columns = {"4"}, .label_column = "2", .header = false},
       8551},
      {"terms-unclear/glue/MRPC/train.tsv", {}, 3668 - 1},
      {"terms-unclear/glue/MRPC/dev.tsv", {}, 408},
      {"terms-unclear/glue/RTE/train.tsv", {}, 2490},
      {"terms-unclear/glue/SST-2/dev.tsv", {}, 872},
  };
  for (const Task& task : tasks) {
    const auto path = test::test_data(task.file);
    if (path.empty()) GTEST_SKIP() << test::kNoTestData << task.file;
    EXPECT_EQ(read_labelled(path, task.options).records.size(), task.records) << task.file;
  }
}

}  // namespace labelled_records_test
}  // namespace svtune
