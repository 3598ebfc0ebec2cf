#include "base/field_condition.h"

#include <algorithm>

#include "base/text_util.h"

namespace svtune {
namespace {

bool clause_holds(const FieldClause& clause, const FieldLookup& lookup) {
  const Json* value = lookup(clause.option);
  if (clause.absent) return is_blank(value);
  if (clause.values.empty()) return !is_blank(value);
  if (value == nullptr || !value->is_string()) return false;
  const std::string text = value->get<std::string>();
  return std::ranges::count(split(clause.values, '|'), std::string_view(text)) > 0;
}

// "--svd fast", "--start loftq or qpissa", "--base-dtype".
std::string clause_text(const FieldClause& clause) {
  const std::string values = replace_all(clause.values, "|", " or ");
  return field_flag(clause.option) + (values.empty() ? "" : " " + values);
}

std::string set_text(const std::vector<FieldClause>& set) {
  std::vector<std::string> texts;
  texts.reserve(set.size());
  for (const FieldClause& clause : set) {
    texts.push_back((clause.absent ? "without " : "") + clause_text(clause));
  }
  return join(texts, " or ");
}

bool forbids(const std::vector<FieldClause>& set) { return set.size() == 1 && set[0].absent; }

// " (--svd is exact)" of the options that have a value.
std::string current_values(const std::vector<FieldClause>& set, const FieldLookup& lookup) {
  std::vector<std::string> texts;
  for (const FieldClause& clause : set) {
    const Json* value = lookup(clause.option);
    if (value == nullptr || value->is_null() || value->is_structured()) continue;
    const std::string text = value->is_string() ? value->get<std::string>() : dump_json(*value, -1);
    if (!text.empty()) texts.push_back(field_flag(clause.option) + " is " + text);
  }
  return texts.empty() ? "" : " (" + join(texts, ", ") + ")";
}

}  // namespace

std::string field_flag(std::string_view name) {
  std::string flag = "--" + std::string(name);
  for (char& c : flag) {
    if (c == '_') c = '-';
  }
  return flag;
}

std::vector<std::vector<FieldClause>> FieldCondition::sets() const {
  std::vector<std::vector<FieldClause>> out(sets_);
  for (std::size_t i = 0; i < size_; ++i) out[clauses_[i].set].push_back(clauses_[i].clause);
  return out;
}

bool is_blank(const Json* value) {
  if (value == nullptr || value->is_null()) return true;
  if (value->is_structured()) return value->empty();
  if (value->is_boolean()) return !value->get<bool>();
  if (value->is_number()) return value->get<double>() == 0;
  return value->get<std::string>().empty();
}

bool condition_holds(const FieldCondition& condition, const FieldLookup& lookup, std::string& why,
                     std::string& hint) {
  for (const std::vector<FieldClause>& set : condition.sets()) {
    if (std::ranges::any_of(set, [&](const auto& each) { return clause_holds(each, lookup); })) {
      continue;
    }
    if (forbids(set)) {
      why = "does not go with " + field_flag(set[0].option);
      hint = "Leave out one of the two.";
    } else {
      why = "applies only with " + set_text(set) + current_values(set, lookup);
      hint = "Leave it out, or give " + set_text(set) + ".";
    }
    return false;
  }
  return true;
}

std::string condition_text(const FieldCondition& condition) {
  std::vector<std::string> texts;
  for (const std::vector<FieldClause>& set : condition.sets()) {
    texts.push_back(forbids(set) ? "not with " + field_flag(set[0].option)
                                 : "only with " + set_text(set));
  }
  return join(texts, "; ");
}

}  // namespace svtune
