// SPDX-License-Identifier: Apache-2.0
//
// What bad input gets: each kind of broken model folder its own error, each odd text an error or a sensible
// result; and the next call works.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <stdexcept>

#include "model/json.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace {

using namespace yonder;
using yonder::kernels::json;
namespace fs = std::filesystem;

std::string read(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(fs::path const& path, std::string const& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// A copy of a golden model that a test may damage.
class model_copy {
 public:
  explicit model_copy(char const* name = "bert-classifier") {
    std::string pattern = (fs::temp_directory_path() / "yonder-kernels-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    fs::copy(fs::path(YONDER_GOLDENS) / name, folder_, fs::copy_options::recursive);
  }
  model_copy(model_copy const&) = delete;
  model_copy& operator=(model_copy const&) = delete;
  ~model_copy() { fs::remove_all(folder_); }

  fs::path path(char const* file) const { return folder_ / file; }
  fs::path const& folder() const { return folder_; }

  void edit(char const* file, std::function<void(json&)> const& change) const {
    json value = json::parse(read(path(file)));
    change(value);
    write(path(file), value.dump());
  }

 private:
  fs::path folder_;
};

void set_weight(model_copy const& copy, char const* name, std::size_t index, float value) {
  std::string bytes = read(copy.path("model.safetensors"));
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  json const tensors = json::parse(bytes.substr(sizeof header, header));
  std::size_t const begin = tensors[name]["data_offsets"][0];
  std::memcpy(bytes.data() + sizeof header + header + begin + index * sizeof value, &value, sizeof value);
  write(copy.path("model.safetensors"), bytes);
}

template <class Error>
void check_refused(model_copy const& copy, std::string const& file) {
  try {
    ml::text_classifier const model(copy.folder());
    FAIL("not refused");
  } catch (Error const& error) {
    CAPTURE(error.what());
    CHECK(error.file().find(file) != std::string::npos);
    CHECK_FALSE(error.advice().empty());
  }
  ml::text_classifier const next(fs::path(YONDER_GOLDENS) / "bert-classifier");
  CHECK(next("good job").score > 0.0F);
}

}  // namespace

TEST_CASE("a folder that is not there, or without a file, is refused by the name of the file") {
  CHECK_THROWS_AS(ml::text_classifier("/nonexistent/model"), ml::missing_file);
  for (char const* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
    CAPTURE(std::string(file));
    model_copy const copy;
    fs::remove(copy.path(file));
    check_refused<ml::missing_file>(copy, file);
  }
}

TEST_CASE("a folder or a pipe in place of a file is refused") {
  model_copy const copy;
  fs::remove(copy.path("config.json"));
  fs::create_directory(copy.path("config.json"));
  check_refused<ml::missing_file>(copy, "config.json");
}

TEST_CASE("a truncated or empty file is refused") {
  for (char const* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}) {
    for (std::size_t const part : {0, 3, 9}) {
      CAPTURE(std::string(file));
      CAPTURE(part);
      model_copy const copy;
      fs::resize_file(copy.path(file), fs::file_size(copy.path(file)) * part / 10);
      check_refused<ml::malformed_file>(copy, file);
    }
  }
  model_copy const copy;
  fs::resize_file(copy.path("model.safetensors"), fs::file_size(copy.path("model.safetensors")) - 1);
  check_refused<ml::truncated_file>(copy, "model.safetensors");
}

TEST_CASE("a config.json that describes other weights is refused") {
  for (char const* key : {"hidden_size", "vocab_size", "intermediate_size", "max_position_embeddings",
                          "type_vocab_size", "num_hidden_layers"}) {
    for (int const factor : {2, 1000}) {
      CAPTURE(std::string(key));
      model_copy const copy;
      copy.edit("config.json", [&](json& config) { config[key] = config[key].get<int>() * factor; });
      check_refused<ml::inconsistent_model>(copy, copy.folder().string());
    }
  }
}

TEST_CASE("more labels than the classifier has rows are refused") {
  model_copy const copy;
  copy.edit("config.json", [](json& config) { config["id2label"]["3"] = "mixed"; });
  check_refused<ml::inconsistent_model>(copy, copy.folder().string());
}

TEST_CASE("a token past the embeddings is refused by the text that has it, and other texts work") {
  model_copy const copy;
  auto const rows = json::parse(read(copy.path("config.json")))["vocab_size"].get<int>();
  copy.edit("tokenizer.json", [&](json& value) {
    value["model"]["vocab"]["surplus"] = 5000;
    value["model"]["vocab"]["next"] = rows;
  });
  ml::text_classifier const model(copy.folder());
  ml::text_classifier const whole(fs::path(YONDER_GOLDENS) / "bert-classifier");
  try {
    model("a surplus");
    FAIL("not refused");
  } catch (ml::inconsistent_model const& error) {
    CHECK(error.found().find("5000") != std::string::npos);
    CHECK(error.file() == copy.path("tokenizer.json").string());
  }
  CHECK_THROWS_AS(model("a next"), ml::inconsistent_model);
  CHECK(model("good job") == whole("good job"));
}

TEST_CASE("one token just past the embeddings is enough to be refused") {
  model_copy const copy;
  auto const rows = json::parse(read(copy.path("config.json")))["vocab_size"].get<int>();
  copy.edit("tokenizer.json", [&](json& value) { value["model"]["vocab"]["next"] = rows; });
  CHECK_THROWS_AS(ml::text_classifier(copy.folder())("a next"), ml::inconsistent_model);
}

TEST_CASE("a special token round each text that lies past the embeddings is refused") {
  model_copy const copy;
  copy.edit("tokenizer_config.json", [](json& value) { value["cls_token"] = "<nowhere>"; });
  check_refused<ml::inconsistent_model>(copy, "tokenizer.json");
}

TEST_CASE("a git-lfs pointer in place of any file is called by its name") {
  for (char const* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}) {
    CAPTURE(std::string(file));
    model_copy const copy;
    write(copy.path(file), "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n");
    check_refused<ml::malformed_file>(copy, file);
    try {
      ml::text_classifier const model(copy.folder());
    } catch (ml::malformed_file const& error) {
      CHECK(error.found().find("git-lfs pointer") != std::string::npos);
    }
  }
  for (char const* file : {"model-00001-of-00002.safetensors", "model.safetensors.index.json"}) {
    model_copy const copy("legacy-bert");
    write(copy.path(file), "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n");
    check_refused<ml::malformed_file>(copy, file);
  }
}

TEST_CASE("a template with types past the embeddings is refused") {
  model_copy const copy;
  copy.edit("tokenizer_config.json", [](json& value) {
    value["tokenizer_class"] = "PreTrainedTokenizerFast";
    value["model_input_names"] = {"input_ids", "token_type_ids", "attention_mask"};
  });
  copy.edit("tokenizer.json",
            [](json& value) { value["post_processor"]["single"][1]["Sequence"]["type_id"] = 7; });
  check_refused<ml::inconsistent_model>(copy, "tokenizer.json");
}

TEST_CASE("weights of a type without arithmetic are refused") {
  model_copy const copy;
  std::string bytes = read(copy.path("model.safetensors"));
  std::string const name = R"("classifier.weight":{"dtype":"F32")";
  auto const at = bytes.find(name);
  REQUIRE(at != std::string::npos);
  bytes.replace(at + name.size() - 5, 5, "\"I32\"");
  write(copy.path("model.safetensors"), bytes);
  check_refused<ml::unsupported_model>(copy, copy.folder().string());
}

TEST_CASE("a NaN or an infinity in the weights of a layer is refused by its name") {
  for (char const* name :
       {"bert.encoder.layer.0.output.dense.weight", "bert.encoder.layer.1.attention.self.key.bias",
        "classifier.weight", "bert.embeddings.LayerNorm.weight"}) {
    for (float const bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      CAPTURE(std::string(name));
      model_copy const copy;
      set_weight(copy, name, 1, bad);
      check_refused<ml::inconsistent_model>(copy, copy.folder().string());
    }
  }
}

TEST_CASE("a NaN in the embeddings is refused by the text that meets it, and other texts work") {
  model_copy const copy;
  json const tokens = json::parse(read(copy.path("tokenizer.json")))["model"]["vocab"];
  set_weight(copy, "bert.embeddings.word_embeddings.weight", tokens["good"].get<std::size_t>() * 24,
             std::numeric_limits<float>::quiet_NaN());
  ml::text_classifier const damaged(copy.folder());
  ml::text_classifier const whole(fs::path(YONDER_GOLDENS) / "bert-classifier");
  CHECK_THROWS_AS(damaged("good job"), ml::inconsistent_model);
  CHECK(damaged("bad job") == whole("bad job"));
}

TEST_CASE("a model without a classifier, or of another architecture, is refused as unsupported") {
  CHECK_THROWS_AS(ml::text_classifier(fs::path(YONDER_GOLDENS) / "sentence-encoder"), ml::unsupported_model);
  model_copy const copy;
  copy.edit("config.json", [](json& config) { config["model_type"] = "gpt2"; });
  check_refused<ml::unsupported_model>(copy, "config.json");
}

TEST_CASE("a shard with a path in its name, a missing shard and a missing tensor are refused") {
  for (char const* shard : {"../model-00001-of-00002.safetensors", "/etc/passwd", "a/b.safetensors",
                            "a\\b.safetensors", "", "weights.bin"}) {
    CAPTURE(std::string(shard));
    model_copy const copy("legacy-bert");
    copy.edit("model.safetensors.index.json",
              [&](json& index) { index["weight_map"]["classifier.weight"] = shard; });
    check_refused<ml::malformed_file>(copy, "model.safetensors.index.json");
  }
  model_copy const missing("legacy-bert");
  fs::remove(missing.path("model-00002-of-00002.safetensors"));
  check_refused<ml::missing_file>(missing, "model-00002-of-00002.safetensors");
  model_copy const lying("legacy-bert");
  lying.edit("model.safetensors.index.json",
             [](json& index) { index["weight_map"]["ghost"] = "model-00001-of-00002.safetensors"; });
  check_refused<ml::inconsistent_model>(lying, "model.safetensors.index.json");
}

TEST_CASE("a tensor that two shards hold is refused") {
  model_copy const copy("legacy-bert");
  std::string const first = "model-00001-of-00002.safetensors";
  std::string const again = "model-00003-of-00003.safetensors";
  fs::copy(copy.path(first.c_str()), copy.path(again.c_str()));
  copy.edit("model.safetensors.index.json", [&](json& index) {
    for (auto& shard : index["weight_map"])
      if (shard == first) {
        shard = again;  // one of them: the others stay where they are, and are in both files
        break;
      }
  });
  check_refused<ml::inconsistent_model>(copy, "");
}

TEST_CASE("a module outside the model's folder, or of another kind, is refused") {
  for (char const* path : {"../elsewhere", "/tmp", "1_Pooling/../../x"}) {
    model_copy const copy("sentence-encoder");
    copy.edit("modules.json", [&](json& modules) { modules[1]["path"] = path; });
    CHECK_THROWS_AS(ml::sentence_encoder(copy.folder()), ml::malformed_file);
  }
  for (char const* type : {"sentence_transformers.models.Router", "sentence_transformers.models.Asym",
                           "sentence_transformers.models.CNN", "custom_st.Normalize"}) {
    model_copy const other("sentence-encoder");
    other.edit("modules.json", [&](json& modules) { modules[2]["type"] = type; });
    CHECK_THROWS_AS(ml::sentence_encoder(other.folder()), ml::unsupported_model);
  }
  for (std::size_t const left_out : {0, 1}) {
    model_copy const few("sentence-encoder");
    few.edit("modules.json", [&](json& modules) { modules.erase(left_out); });
    CHECK_THROWS_AS(ml::sentence_encoder(few.folder()), ml::unsupported_model);
  }
  model_copy const missing("sentence-encoder");
  fs::remove(missing.path("1_Pooling/config.json"));
  CHECK_THROWS_AS(ml::sentence_encoder(missing.folder()), ml::missing_file);
}

TEST_CASE("text that is not UTF-8 is refused with its offset, and the next call works") {
  ml::text_classifier const model(fs::path(YONDER_GOLDENS) / "bert-classifier");
  auto const before = model("good job");
  CHECK_THROWS_AS(model("good \xff job"), ml::invalid_utf8);
  std::vector<std::string_view> const texts = {"good job", "\xc3"};
  CHECK_THROWS_AS(model(std::span<std::string_view const>(texts)), ml::text_error);
  CHECK(model("good job") == before);
}

TEST_CASE("the offset of a bad byte is that in the caller's text, whatever prompt stands before it") {
  model_copy const copy("sentence-encoder");
  write(copy.path("config_sentence_transformers.json"),
        R"({"prompts":{"query":"good film: "},"default_prompt_name":"query"})");
  ml::sentence_encoder const model(copy.folder());
  try {
    model("ab\xff");
    FAIL("not refused");
  } catch (ml::invalid_utf8 const& error) {
    CHECK(error.offset() == 2);
  }
  CHECK(model("good job").size() == 24);
}

TEST_CASE("a text of a megabyte is cut, or refused where options say so, and the next call works") {
  fs::path const folder = fs::path(YONDER_GOLDENS) / "bert-classifier";
  ml::text_classifier const model(folder);
  ml::text_classifier const strict(folder, {.truncate = false});
  auto const before = model("good job");
  std::string words;
  while (words.size() < 1'000'000) words += "good ";
  std::string marks = "a";
  while (marks.size() < 1'000'000) marks += "\u0301\u0327";
  for (std::string const& text : {words, marks, std::string(1'000'000, 'x'), std::string(1'000'000, ' '),
                                  std::string(1'000'000, '\0'), std::string(1'000'000, '.')}) {
    CHECK(std::isfinite(model(text).score));
  }
  CHECK(model(words) == model(std::string_view(words).substr(0, 1000)));
  CHECK_THROWS_AS(strict(words), ml::text_too_long);
  CHECK(strict(std::string(1'000'000, ' ')) == model(""));
  CHECK(model("good job") == before);
  CHECK(strict("good job") == before);
}

TEST_CASE(
    "the limit on tokens is the option's, never past the model's positions, and leaves room for a token") {
  fs::path const folder = fs::path(YONDER_GOLDENS) / "bert-classifier";
  std::string const text = "good job not bad at all";
  CHECK(ml::text_classifier(folder, {.max_tokens = 4})(text) == ml::text_classifier(folder)("good job"));
  CHECK(ml::text_classifier(folder, {.max_tokens = 1000})(text) == ml::text_classifier(folder)(text));
  std::string longer;
  while (longer.size() < 100'000) longer += "good job ";
  CHECK(ml::text_classifier(folder, {.max_tokens = 100'000})(longer) == ml::text_classifier(folder)(longer));
  CHECK_THROWS_AS(ml::text_classifier(folder, {.max_tokens = 100'000, .truncate = false})(longer),
                  ml::text_too_long);
  CHECK_THROWS_AS(ml::text_classifier(folder, {.max_tokens = 2}), std::invalid_argument);
}
