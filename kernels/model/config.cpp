// SPDX-License-Identifier: Apache-2.0
#include "model/config.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "model/config_parts.hpp"
#include "model/json.hpp"
#include "model/keys.hpp"
#include "model/mapped_file.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

model_family parse_family(json_view const& config) {
  std::string const type = config.string("model_type");
  if (type == "bert") return model_family::bert;
  if (type == "distilbert") return model_family::distilbert;
  if (type == "roberta" || type == "xlm-roberta" || type == "camembert") return model_family::roberta;
  if (type == "mpnet") return model_family::mpnet;
  if (type == "modernbert") return model_family::modernbert;
  config.unsupported(
      "model_type",
      R"("bert" (MiniLM too), "distilbert", "roberta", "xlm-roberta", "camembert", "mpnet" or "modernbert")");
}

}  // namespace

activation parse_activation(json_view const& config, char const* key) {
  std::string const name = config.string_or(key, "gelu");
  if (name == "gelu" || name == "gelu_python") return activation::gelu;
  for (char const* tanh :
       {"gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh"}) {
    if (name == tanh) return activation::gelu_tanh;
  }
  if (name == "relu") return activation::relu;
  config.unsupported(key, "\"gelu\", \"gelu_new\" (or another name of either) or \"relu\"");
}

std::size_t parse_extent(json_view const& config, char const* key, std::size_t fallback) {
  bool const stated = config.raw().contains(key);  // null states nothing that could be meant
  auto const value = stated && config.lacks(key) ? 0 : config.count_or(key, fallback, max_extent);
  if (value == 0) config.malformed(key, "at least 1");
  return value;
}

float parse_epsilon(json_view const& config, char const* key, double fallback) {
  auto const epsilon = static_cast<float>(config.number_or(key, fallback));
  if (!(epsilon >= 0 && epsilon < 1)) config.malformed(key, "a small number, 0 or more");
  return epsilon;
}

namespace {

// DistilBERT's extents have two names each.
std::size_t parse_extent(json_view const& config, char const* key, char const* other, std::size_t fallback) {
  if (config.lacks(key)) return parse_extent(config, other, fallback);
  auto const value = parse_extent(config, key, fallback);
  if (parse_extent(config, other, value) != value) {
    config.malformed(other, "the same number as " + std::string(key) + ", or no such key");
  }
  return value;
}

encoder_config parse_bert(json_view const& config) {
  encoder_config encoder;
  encoder.hidden = parse_extent(config, "hidden_size", 768);
  encoder.layers = parse_extent(config, "num_hidden_layers", 12);
  encoder.heads = parse_extent(config, "num_attention_heads", 12);
  encoder.intermediate = parse_extent(config, "intermediate_size", 3072);
  encoder.vocabulary = parse_extent(config, "vocab_size", 30'522);
  encoder.positions = parse_extent(config, "max_position_embeddings", 512);
  encoder.token_types = parse_extent(config, "type_vocab_size", 2);
  encoder.layer_norm_epsilon = parse_epsilon(config, "layer_norm_eps", 1e-12);
  encoder.layer.feed_forward_activation = parse_activation(config, "hidden_act");
  return encoder;
}

encoder_config parse_roberta(json_view const& config) {
  encoder_config encoder = parse_bert(config);
  encoder.family = model_family::roberta;
  encoder.vocabulary =
      parse_extent(config, "vocab_size", config.string("model_type") == "roberta" ? 50'265 : 30'522);
  encoder.padding_id = static_cast<std::int32_t>(config.count_or("pad_token_id", 1, max_extent));
  if (encoder.first_position() >= encoder.positions) {
    config.malformed("pad_token_id", "at most max_position_embeddings - 2, as positions begin after it");
  }
  return encoder;
}

// Whatever pad_token_id says, positions begin after 1, and distances fall into 32 buckets.
encoder_config parse_mpnet(json_view const& config) {
  encoder_config encoder = parse_bert(config);
  encoder.family = model_family::mpnet;
  encoder.vocabulary = parse_extent(config, "vocab_size", 30'527);
  encoder.token_types = 0;
  encoder.padding_id = 1;
  encoder.distance_buckets = parse_extent(config, "relative_attention_num_buckets", distance_buckets_used);
  if (encoder.distance_buckets < distance_buckets_used) {
    config.malformed("relative_attention_num_buckets", "at least 32, as transformers looks up so many");
  }
  if (encoder.positions <= encoder.first_position()) {
    config.malformed("max_position_embeddings", "at least 3, as positions begin at 2");
  }
  return encoder;
}

encoder_config parse_distilbert(json_view const& config) {
  encoder_config encoder;
  encoder.family = model_family::distilbert;
  encoder.hidden = parse_extent(config, "dim", "hidden_size", 768);
  encoder.layers = parse_extent(config, "n_layers", "num_hidden_layers", 6);
  encoder.heads = parse_extent(config, "n_heads", "num_attention_heads", 12);
  encoder.intermediate = parse_extent(config, "hidden_dim", 3072);
  encoder.vocabulary = parse_extent(config, "vocab_size", 30'522);
  encoder.positions = parse_extent(config, "max_position_embeddings", 512);
  encoder.layer.feed_forward_activation = parse_activation(config, "activation");
  encoder.head.first_activation = activation::relu;
  return encoder;
}

encoder_config parse_encoder(json_view const& config) {
  switch (parse_family(config)) {
    case model_family::distilbert: return parse_distilbert(config);
    case model_family::roberta: return parse_roberta(config);
    case model_family::mpnet: return parse_mpnet(config);
    case model_family::modernbert: return parse_modernbert(config);
    case model_family::bert: break;
  }
  return parse_bert(config);
}

}  // namespace

std::size_t distance_bucket(std::ptrdiff_t distance) noexcept {
  constexpr std::size_t each_side = distance_buckets_used / 2;
  constexpr std::size_t exact = each_side / 2;
  constexpr double farthest = 128;
  std::size_t const side = distance > 0 ? each_side : 0;
  auto const size = static_cast<std::size_t>(distance < 0 ? -distance : distance);
  if (size < exact) return side + size;
  float const octaves = std::log(static_cast<float>(size) / static_cast<float>(exact)) /
                        static_cast<float>(std::log(farthest / static_cast<double>(exact)));
  auto const step = static_cast<std::size_t>(octaves * static_cast<float>(each_side - exact));
  return side + std::min(exact + step, each_side - 1);
}

std::vector<float> spread_distances(encoder_config const& config, std::span<float const> table) {
  auto const reach = static_cast<std::ptrdiff_t>(config.max_tokens());
  float const scale = std::sqrt(static_cast<float>(config.hidden / config.heads));
  std::vector<float> distances;
  distances.reserve(config.heads * (2 * config.max_tokens() - 1));
  for (std::size_t head = 0; head < config.heads; ++head) {
    for (auto distance = 1 - reach; distance < reach; ++distance)
      distances.push_back(scale * table[distance_bucket(distance) * config.heads + head]);
  }
  return distances;
}

namespace {

void check_heads(encoder_config const& encoder, std::string const& file) {
  if (encoder.hidden % encoder.heads == 0) return;
  throw ml::inconsistent_model({file,
                                std::to_string(encoder.heads) + " attention heads for a hidden size of " +
                                    std::to_string(encoder.hidden),
                                "a divisor of the hidden size", "mend config.json, or download it again"});
}

// As Python prints it: numbers name classes as well as words.
std::string label_of(json const& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  return value.is_null() ? "None" : value.dump();
}

// id2label has the keys "0" to "n-1", in any order.
std::vector<std::string> parse_labels(json_view const& config) {
  if (config.lacks("id2label")) {
    std::vector<std::string> labels;
    auto const count = config.count_or("num_labels", 2, 100'000);
    for (std::uint64_t id = 0; id < count; ++id) labels.push_back("LABEL_" + std::to_string(id));
    return labels;
  }
  json const& map = config.object("id2label").raw();
  std::vector<std::string> labels(map.size());
  for (auto const& [key, value] : map.items()) {
    std::size_t id = 0;
    auto const end = key.data() + key.size();
    auto const parsed = std::from_chars(key.data(), end, id);
    bool const canonical = parsed.ec == std::errc() && parsed.ptr == end && std::to_string(id) == key;
    if (!canonical || id >= labels.size() || value.is_structured()) {
      config.malformed("id2label", "a name for each id from 0 on");
    }
    labels[id] = label_of(value);
  }
  return labels;
}

bool says_entailment(std::string_view label) {
  constexpr std::string_view begin = "entail";
  return label.size() >= begin.size() &&
         std::equal(begin.begin(), begin.end(), label.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
         });
}

// By label2id, whatever it says; by id2label where that is absent.
std::vector<std::size_t> find_entailment(json_view const& config, std::vector<std::string> const& labels) {
  std::vector<std::size_t> ids;
  if (config.lacks("label2id")) {
    for (std::size_t id = 0; id < labels.size(); ++id)
      if (says_entailment(labels[id])) ids.push_back(id);
    return ids;
  }
  json const& map = config.object("label2id").raw();
  for (auto const& [label, id] : map.items()) {
    if (!says_entailment(label)) continue;
    ids.push_back(id.is_number_unsigned() ? id.get<std::size_t>() : labels.size());
  }
  return ids;
}

score_function parse_scores(json_view const& config, std::size_t labels) {
  std::string const type = config.string_or("problem_type", "");
  if (type == "single_label_classification" && labels == 1) {
    config.unsupported("problem_type", "regression, or nothing, for one label");
  }
  if (type == "regression") return score_function::none;
  if (type == "multi_label_classification" || labels == 1) return score_function::sigmoid;
  if (type.empty() || type == "single_label_classification") return score_function::softmax;
  config.unsupported("problem_type", "single_label_classification, multi_label_classification or regression");
}

// Where config.json names no architecture, the weights will tell.
bool may_have_head(json_view const& config, char const* head) {
  if (config.lacks("architectures")) return true;
  json const& names = config.raw()["architectures"];
  if (!names.is_array()) config.malformed("architectures", "an array of names");
  return std::ranges::any_of(names, [head](json const& name) {
    return name.is_string() && name.get_ref<std::string const&>().ends_with(head);
  });
}

}  // namespace

model_config parse_config(std::string_view text, std::string const& file) {
  json const root = parse_json(text, file);
  json_view const config(root, file);
  model_config result;
  result.encoder = parse_encoder(config);
  check_keys(config, "config.json");
  check_heads(result.encoder, file);
  result.classifies_sequences = may_have_head(config, "ForSequenceClassification");
  result.classifies_tokens = may_have_head(config, "ForTokenClassification");
  result.answers_questions = may_have_head(config, "ForQuestionAnswering");
  auto& classifier = result.classifier;
  if (result.classifies_sequences || result.classifies_tokens || result.answers_questions) {
    classifier.labels = parse_labels(config);
    if (classifier.labels.empty()) config.malformed("id2label", "at least one label");
  }
  if (result.classifies_sequences) {
    classifier.scores = parse_scores(config, classifier.labels.size());
    classifier.entailment = find_entailment(config, classifier.labels);
  }
  return result;
}

model_config read_config(std::filesystem::path const& folder) {
  if (auto const adapter = folder / "adapter_config.json"; std::filesystem::exists(adapter)) {
    throw ml::unsupported_model({adapter.string(), "an adapter", "a whole model",
                                 "merge it into its model with peft: merge_and_unload(), save_pretrained()"});
  }
  mapped_file const file(folder / "config.json");
  return parse_config(file.text(), (folder / "config.json").string());
}

}  // namespace yonder::kernels
