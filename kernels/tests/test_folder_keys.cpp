// SPDX-License-Identifier: Apache-2.0
//
// What becomes of each key of a model folder's files. Goldens: tools/make_variant_goldens.py.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "head_rows.hpp"
#include "model/json.hpp"
#include "model/keys.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/reranker.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/text_classifier.hpp"
#include "yonder/ml/zero_shot_classifier.hpp"

namespace {

using namespace yonder;
using namespace yonder::kernels;
namespace fs = std::filesystem;

std::string read_text(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_text(fs::path const& path, std::string const& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// tokenizer.json of the tokenizer that is in vocab.json and merges.txt, as folder_variants.py makes it.
json byte_level(fs::path const& folder) {
  json const vocabulary = json::parse(read_text(folder / "vocab.json"));
  json merges = json::array();
  std::istringstream lines(read_text(folder / "merges.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && !line.starts_with("#version")) merges.push_back(line);
  }
  return {{"added_tokens", json::array()},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}}},
          {"post_processor",
           {{"type", "RobertaProcessing"},
            {"sep", {"</s>", vocabulary["</s>"]}},
            {"cls", {"<s>", vocabulary["<s>"]}},
            {"trim_offsets", true},
            {"add_prefix_space", true}}},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
}

// A golden model with edits.
class edited_folder {
 public:
  edited_folder(json const& variant, json const& edits) {
    std::string pattern = (fs::temp_directory_path() / "yonder-kernels-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    fs::path const goldens = YONDER_GOLDENS;
    std::string const base = variant["base"];
    fs::copy(goldens / base, folder_, fs::copy_options::recursive);
    for (auto const& [to, from] :
         variant.value("copies", std::vector<std::pair<std::string, std::string>>())) {
      fs::create_directories((folder_ / to).parent_path());
      fs::copy_file(goldens / from, folder_ / to);
    }
    for (auto const& [file, change] : edits.items())
      edit(folder_ / file, change, base.starts_with("roberta"));
  }
  edited_folder(edited_folder const&) = delete;
  edited_folder& operator=(edited_folder const&) = delete;
  ~edited_folder() { fs::remove_all(folder_); }

  fs::path const& path() const { return folder_; }

 private:
  static void edit(fs::path const& path, json const& change, bool is_byte_level) {
    if (change.is_null()) {
      fs::remove(path);
    } else if (change.is_string()) {
      write_text(path, change.get<std::string>());
    } else if (change.is_array()) {
      write_text(path, change.dump());
    } else {
      json value = json::object();
      if (fs::exists(path)) {
        value = json::parse(read_text(path));
      } else if (is_byte_level && path.filename() == "tokenizer.json") {
        value = byte_level(path.parent_path());
      }
      value.merge_patch(change);
      write_text(path, value.dump());
    }
  }

  fs::path folder_;
};

using table = std::vector<std::vector<float>>;

struct outcome {
  table values;
  table scores;
  std::vector<std::string> labels;
};

// Of the labels of tools/peer.py, in their order.
std::vector<float> zero_shot(ml::zero_shot_classifier const& model, std::string const& text,
                             bool multi_label) {
  std::vector<std::string> const labels{"good", "about a movie", "slow and sad"};
  std::vector<float> scores(labels.size());
  for (auto const& found : model(text, labels, {.multi_label = multi_label})) {
    auto const place = std::ranges::find(labels, found.label) - labels.begin();
    scores[static_cast<std::size_t>(place)] = found.score;
  }
  return scores;
}

outcome run(json const& variant, json const& edits, std::vector<std::string> const& texts) {
  edited_folder const folder(variant, edits);
  std::vector<std::string_view> const views(texts.begin(), texts.end());
  ml::text_options const options{.threads = 1};
  if (variant.value("task", "classify") == "rerank") {
    std::vector<ml::text_pair> pairs;
    for (std::size_t i = 0; i < texts.size(); ++i) pairs.push_back({texts[i], texts[(i + 1) % texts.size()]});
    return {ml::reranker(folder.path(), options).scores(pairs), {}, {}};
  }
  if (variant.value("task", "classify") == "zero-shot") {
    ml::zero_shot_classifier const model(folder.path(), options);
    outcome result;
    for (auto const& text : texts) {
      result.values.push_back(zero_shot(model, text, false));
      result.scores.push_back(zero_shot(model, text, true));
    }
    return result;
  }
  if (variant.value("task", "classify") == "tokens") {
    auto const found = head_rows::tokens(ml::token_classifier(folder.path(), options), texts);
    return {found.values, {}, found.labels};
  }
  if (variant.value("task", "classify") == "answer")
    return {head_rows::answers(ml::question_answerer(folder.path(), options), texts).values, {}, {}};
  if (variant.value("task", "classify") == "windows")
    return {head_rows::windows(ml::sentence_encoder(folder.path(), options), texts).values, {}, {}};
  if (variant.value("task", "classify") == "passages")
    return {head_rows::passages(ml::reranker(folder.path(), options), texts).values, {}, {}};
  if (variant.value("task", "classify") == "embed") {
    ml::sentence_encoder const model(folder.path(), options);
    outcome result{model(std::span(views)), {}, {}};
    CHECK(result.values.front().size() == model.dimension());
    return result;
  }
  ml::text_classifier const model(folder.path(), options);
  outcome result{model.logits(views), {}, {model.labels().begin(), model.labels().end()}};
  for (auto const& text : texts) {
    auto& row = result.scores.emplace_back();
    for (auto const& each : model.scores(text)) row.push_back(each.score);
  }
  return result;
}

void check_close(table const& found, table const& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found[i].size() == expected[i].size());
    for (std::size_t j = 0; j < found[i].size(); ++j) {
      CHECK(std::abs(found[i][j] - expected[i][j]) <= 1e-5F * std::max(1.0F, std::abs(expected[i][j])));
    }
  }
}

void check_refused(json const& variant, json const& edits, std::vector<std::string> const& texts) {
  try {
    run(variant, edits, texts);
    FAIL("not refused");
  } catch (ml::model_error const& error) {
    CAPTURE(error.what());
    std::string const file = variant["named"][0];
    std::string const key = variant["named"][1];
    CHECK(error.file().find(file) != std::string::npos);
    bool const named = key == "*" || (error.file() + error.found()).find(key) != std::string::npos;
    CHECK(named);
    CHECK_FALSE(error.expected().empty());
    CHECK_FALSE(error.advice().empty());
  }
}

json const& variants() {
  static json const all = json::parse(read_text(fs::path(YONDER_GOLDENS) / "variants.json"));
  return all;
}

char const* name_of(key_effect effect) {
  switch (effect) {
    case key_effect::honoured: return "honoured";
    case key_effect::refused: return "refused";
    case key_effect::harmless: break;
  }
  return "harmless";
}

// The table of docs/models.md, as the code has it.
std::string row_of(known_key const& key) {
  std::string effect = name_of(key.effect);
  if (key.allowed != nullptr && std::string_view(key.allowed) != "[]") {
    effect += " but for ";
    json const allowed = json::parse(key.allowed);
    for (std::size_t i = 0; i < allowed.size(); ++i) {
      effect += (i == 0 ? "`" : ", `") + allowed[i].dump() + "`";
    }
  }
  return "| " + std::string(key.file) + " | `" + key.key + "` | " + effect + " | " + key.note + " |";
}

}  // namespace

TEST_CASE("every variant of a folder gives the numbers of transformers, or is refused by file and key") {
  for (json const& variant : variants()["variants"]) {
    CAPTURE(variant.dump().substr(0, 400));
    std::vector<std::string> const texts = variant.value("texts", variants()["texts"]);
    std::string const expect = variant["expect"];
    json const& edits = variant["edits"];
    if (expect == "refused") {
      check_refused(variant, edits, texts);
    } else if (expect == "error") {
      CHECK_THROWS_AS(run(variant, edits, texts), ml::model_error);
    } else {
      outcome result;
      REQUIRE_NOTHROW(result = run(variant, edits, texts));
      if (variant.contains("against")) {
        auto const same = run(variant, variant["against"], texts);
        check_close(result.values, same.values);
        CHECK(result.labels == same.labels);
      } else {
        check_close(result.values, variant["values"]);
        check_close(result.scores, variant.value("scores", table()));
        CHECK(result.labels == variant.value("labels", std::vector<std::string>()));
      }
    }
  }
}

TEST_CASE("every key that is honoured or refused has a variant that shows it") {
  std::set<std::pair<std::string, std::string>> changed;
  std::set<std::pair<std::string, std::string>> refused;
  for (json const& variant : variants()["variants"]) {
    for (auto const& [file, key] : variant["keys"].get<std::vector<std::pair<std::string, std::string>>>()) {
      std::string const expect = variant["expect"];
      if (expect != "values") refused.emplace(file, key);
      if (expect == "error" || (expect == "values" && !variant.contains("against")))
        changed.emplace(file, key);
    }
  }
  for (auto const& key : known_keys()) {
    CAPTURE(std::string(key.file));
    CAPTURE(std::string(key.key));
    std::pair<std::string, std::string> const name(key.file, key.key);
    if (key.effect == key_effect::refused) CHECK(refused.contains(name));
    bool const shown = changed.contains(name) || refused.contains(name);
    if (key.effect == key_effect::honoured) CHECK(shown);
  }
}

TEST_CASE("docs/models.md has the code's table of keys") {
  std::vector<std::string> expected;
  for (auto const& key : known_keys()) expected.push_back(row_of(key));
  std::vector<std::string> found;
  std::istringstream lines(read_text(YONDER_MODELS_DOCUMENT));
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| file | key |")) inside = true;
    if (!line.starts_with("|")) inside = false;
    if (inside && !line.starts_with("| file ") && !line.starts_with("|-")) found.push_back(line);
  }
  for (auto const& row : expected) {
    if (std::ranges::find(found, row) == found.end()) FAIL_CHECK("docs/models.md lacks:\n" << row);
  }
  for (auto const& row : found) {
    if (std::ranges::find(expected, row) == expected.end()) FAIL_CHECK("not in the code:\n" << row);
  }
  CHECK(found == expected);
}
