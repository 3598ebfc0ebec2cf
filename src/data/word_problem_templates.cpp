// The table of situations: shopping, ages, trips, rates and sharing, in two or three steps.
#include "data/word_problem_templates.h"

namespace svtune::detail {
namespace {

std::vector<Situation> shopping() {
  return {
      {{{2, 9}, {2, 9}, {2, 20}},
       {{"{thing} in the bags", 'a', '*', 'b'}, {"{thing} left", 'x', '-', 'c'}},
       {"{name} buys {a} bags with {b} {thing} each. {he} gives {c} {thing} to {other}. How many "
        "{thing} does {name} have left?",
        "There are {a} bags with {b} {thing} in each. {name} takes {c} {thing} out. How many "
        "{thing} are left in the bags?"}},
      {{{2, 9}, {2, 9}, {2, 20}},
       {{"dollars for the books", 'a', '*', 'b'}, {"dollars in all", 'x', '+', 'c'}},
       {"{name} buys {a} books for {b} dollars each and a bag for {c} dollars. How many dollars "
        "does {he} pay?",
        "A book costs {b} dollars and a bag costs {c} dollars. How many dollars does {name} pay "
        "for {a} books and one bag?"}},
      {{{20, 100}, {2, 9}, {2, 9}},
       {{"dollars for the tickets", 'b', '*', 'c'}, {"dollars left", 'a', '-', 'x'}},
       {"{name} has {a} dollars. {he} buys {b} tickets for {c} dollars each. How many dollars does "
        "{he} have left?",
        "A ticket costs {c} dollars. {name} goes out with {a} dollars and buys {b} tickets. How "
        "many dollars are left?"}},
      {{{2, 6}, {2, 8}, {2, 6}, {2, 8}},
       {{"{thing} from {name}", 'a', '*', 'b'},
        {"{thing} from {other}", 'c', '*', 'd'},
        {"{thing} together", 'x', '+', 'y'}},
       {"{name} brings {a} boxes with {b} {thing} each. {other} brings {c} boxes with {d} {thing} "
        "each. How many {thing} do they bring together?",
        "{name} has {a} bags of {b} {thing} and {other} has {c} bags of {d} {thing}. How many "
        "{thing} do they have together?"}},
  };
}

std::vector<Situation> ages_and_trips() {
  return {
      {{{4, 30}, {2, 20}, {2, 12}},
       {{"age of {other} now", 'a', '+', 'b'}, {"age of {other} then", 'x', '+', 'c'}},
       {"{name} is {a} years old. {other} is {b} years older. How old will {other} be in {c} "
        "years?",
        "{other} is {b} years older than {name}, who is {a} years old. How old will {other} be "
        "after {c} more years?"}},
      {{{3, 25}, {2, 4}},
       {{"age of {other}", 'b', '*', 'a'}, {"years together", 'a', '+', 'x'}},
       {"{name} is {a} years old. {other} is {b} times as old. How many years old are they "
        "together?",
        "{other} is {b} times as old as {name}. {name} is {a} years old. What is the sum of their "
        "ages?"}},
      {{{2, 9}, {2, 9}, {2, 15}},
       {{"kilometers by bike", 'a', '*', 'b'}, {"kilometers in all", 'x', '+', 'c'}},
       {"{name} rides {a} kilometers an hour for {b} hours and then walks {c} kilometers. How many "
        "kilometers does {he} travel?",
        "On a trip {name} rides a bike for {b} hours at {a} kilometers an hour. Then {he} walks "
        "{c} "
        "kilometers. How long is the trip in kilometers?"}},
      {{{30, 100}, {5, 40}, {5, 40}},
       {{"kilometers done", 'b', '+', 'c'}, {"kilometers left", 'a', '-', 'x'}},
       {"A trip is {a} kilometers long. {name} drives {b} kilometers in the morning and {c} "
        "kilometers after lunch. How many kilometers are left?",
        "{name} has to drive {a} kilometers. {he} drives {b} kilometers on the first day and {c} "
        "kilometers on the second day. How many kilometers are left?"}},
      {{{20, 80}, {3, 19}, {3, 20}},
       {{"people after the stop", 'a', '-', 'b'}, {"people now", 'x', '+', 'c'}},
       {"A bus has {a} people in it. At a stop {b} people get off and {c} people get on. How many "
        "people are in the bus now?",
        "{name} drives a bus with {a} people. {b} people leave the bus and {c} people enter it. "
        "How "
        "many people are in the bus?"}},
  };
}

std::vector<Situation> rates() {
  return {
      {{{2, 9}, {2, 5}, {2, 5}},
       {{"hours in all", 'b', '+', 'c'}, {"{thing} in all", 'x', '*', 'a'}},
       {"A machine makes {a} {thing} in an hour. It runs for {b} hours in the morning and {c} "
        "hours "
        "in the evening. How many {thing} does it make?",
        "{name} can paint {a} {thing} in an hour. {he} paints for {b} hours on Monday and {c} "
        "hours "
        "on Friday. How many {thing} does {he} paint?"}},
      {{{2, 9}, {10, 90}, {2, 15}},
       {{"minutes of work", 'b', '/', 'a'}, {"minutes in all", 'x', '+', 'c'}},
       {"{name} packs {a} {thing} in a minute. {he} packs {b} {thing} and then rests for {c} "
        "minutes. How many minutes does it take?",
        "A machine packs {a} {thing} in a minute. It starts after {c} minutes and packs {b} "
        "{thing}. How many minutes pass in all?"}},
      {{{2, 9}, {2, 9}, {30, 100}},
       {{"pages read", 'a', '*', 'b'}, {"pages left", 'c', '-', 'x'}},
       {"{name} reads {a} pages a day for {b} days. The book has {c} pages. How many pages are "
        "left?",
        "A book has {c} pages. {name} reads {a} of them each day. How many pages are left after "
        "{b} "
        "days?"}},
      {{{2, 9}, {2, 5}, {2, 5}, {2, 20}},
       {{"hours of work", 'b', '+', 'c'},
        {"dollars earned", 'x', '*', 'a'},
        {"dollars left", 'y', '-', 'd'}},
       {"{name} earns {a} dollars an hour. {he} works {b} hours on Monday and {c} hours on "
        "Tuesday, "
        "then spends {d} dollars. How many dollars are left?",
        "{name} works {b} hours today and {c} hours tomorrow for {a} dollars an hour. {he} pays "
        "{d} "
        "dollars for {his} lunch. How many dollars does {he} keep?"}},
  };
}

std::vector<Situation> sharing() {
  return {
      {{{12, 90}, {2, 9}, {2, 9}},
       {{"{thing} for each", 'a', '/', 'b'}, {"{thing} left", 'x', '-', 'c'}},
       {"{b} friends share {a} {thing} equally. {name} is one of them and loses {c} {thing}. How "
        "many {thing} does {name} have left?",
        "{name} puts {a} {thing} into {b} equal bags. {he} takes {c} {thing} out of one bag. How "
        "many {thing} are left in that bag?"}},
      {{{5, 50}, {5, 50}},
       {{"{thing} together", 'a', '+', 'b'}, {"{thing} for each", 'x', '/', '2'}},
       {"{name} has {a} {thing} and {other} has {b} {thing}. They share all of them equally. How "
        "many {thing} does each get?",
        "{name} and {other} put {a} and {b} {thing} together and make two equal parts. How many "
        "{thing} are in each part?"}},
      {{{2, 9}, {2, 9}, {2, 9}},
       {{"{thing} in all", 'a', '*', 'b'}, {"bags", 'x', '/', 'c'}},
       {"{name} has {a} boxes with {b} {thing} each. {he} packs them into bags of {c}. How many "
        "bags does {he} fill?",
        "There are {a} rows of {b} {thing}. {name} puts {c} {thing} into each bag. How many bags "
        "are filled?"}},
  };
}

std::vector<Situation> all_situations() {
  std::vector<Situation> all;
  for (auto&& group : {shopping(), ages_and_trips(), rates(), sharing()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

constexpr std::array<Person, 20> kPersons = {{
    {"Anna", "she", "her"},  {"Ben", "he", "his"},    {"Clara", "she", "her"},
    {"David", "he", "his"},  {"Emma", "she", "her"},  {"Frank", "he", "his"},
    {"Grace", "she", "her"}, {"Henry", "he", "his"},  {"Iris", "she", "her"},
    {"Jack", "he", "his"},   {"Kate", "she", "her"},  {"Leo", "he", "his"},
    {"Mia", "she", "her"},   {"Noah", "he", "his"},   {"Olga", "she", "her"},
    {"Paul", "he", "his"},   {"Rosa", "she", "her"},  {"Sam", "he", "his"},
    {"Tina", "she", "her"},  {"Victor", "he", "his"},
}};

constexpr std::array<std::string_view, 14> kThings = {
    "apples", "pencils", "cards", "marbles", "stones", "shells", "stickers",
    "cups",   "buttons", "toys",  "flags",   "coins",  "stars",  "plates"};

}  // namespace

std::span<const Situation> situations() {
  static const std::vector<Situation> kAll = all_situations();
  return kAll;
}

std::span<const Person> persons() { return kPersons; }
std::span<const std::string_view> things() { return kThings; }

}  // namespace svtune::detail
