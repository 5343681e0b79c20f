// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "model/config.hpp"
#include "model/json.hpp"
#include "yonder/ml/errors.hpp"

namespace {

using namespace yonder;
using namespace yonder::kernels;

json bert() {
  return json::parse(R"({"model_type":"bert","hidden_size":24,"num_hidden_layers":2,"num_attention_heads":3,
    "intermediate_size":56,"vocab_size":100,"max_position_embeddings":40,"type_vocab_size":2,
    "architectures":["BertForSequenceClassification"],"id2label":{"1":"good","0":"bad"}})");
}

model_config with(char const* key, json const& value) {
  json config = bert();
  config[key] = value;
  return parse_config(config.dump(), "config.json");
}

}  // namespace

TEST_CASE("a BERT config is read, labels in the order of their ids") {
  auto const config = parse_config(bert().dump(), "config.json");
  CHECK(config.encoder.family == model_family::bert);
  CHECK(config.encoder.hidden == 24);
  CHECK(config.encoder.token_types == 2);
  CHECK(config.encoder.layer_norm_epsilon == 1e-12F);
  CHECK(config.classifies_sequences);
  CHECK(config.classifier.labels == std::vector<std::string>{"bad", "good"});
  CHECK(config.classifier.scores == score_function::softmax);
}

TEST_CASE("a DistilBERT config has names of its own and no token types") {
  auto const config =
      parse_config(R"({"model_type":"distilbert","dim":24,"n_layers":2,"n_heads":3,"hidden_dim":56,
    "vocab_size":100,"max_position_embeddings":40,"activation":"relu","num_labels":3})",
                   "config.json");
  CHECK(config.encoder.family == model_family::distilbert);
  CHECK(config.encoder.token_types == 0);
  CHECK(config.encoder.layer.feed_forward_activation == activation::relu);
  CHECK(config.classifier.labels == std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"});
}

TEST_CASE("RoBERTa's positions begin after its padding token, which itself is not counted") {
  for (char const* type : {"roberta", "xlm-roberta", "camembert"}) {
    auto const config = with("model_type", type).encoder;
    CHECK(config.family == model_family::roberta);
    CHECK(config.padding_id == 1);
    CHECK(config.max_tokens() == 38);
    position_counter position(config);
    CHECK(position(0) == 2);
    CHECK(position(7) == 3);
    CHECK(position(1) == 1);
    CHECK(position(7) == 4);
  }
  CHECK(with("model_type", "bert").encoder.max_tokens() == 40);
  json config = bert();
  config["model_type"] = "roberta";
  config["pad_token_id"] = 39;
  CHECK_THROWS_AS(parse_config(config.dump(), "config.json"), ml::malformed_file);
}

TEST_CASE(
    "MPNet's positions begin after 1 whatever its padding token is, and distances fall into 32 buckets") {
  json value = bert();
  value["model_type"] = "mpnet";
  value["pad_token_id"] = 7;
  auto const config = parse_config(value.dump(), "config.json").encoder;
  CHECK(config.family == model_family::mpnet);
  CHECK(config.max_tokens() == 38);
  CHECK(config.token_types == 0);
  CHECK(config.distance_buckets == 32);
  CHECK(distance_bucket(0) == 0);
  CHECK(distance_bucket(-7) == 7);
  CHECK(distance_bucket(7) == 23);
  CHECK(distance_bucket(-8) == 8);
  CHECK(distance_bucket(-500) == 15);
  CHECK(distance_bucket(500) == 31);
  value["relative_attention_num_buckets"] = 31;
  CHECK_THROWS_AS(parse_config(value.dump(), "config.json"), ml::malformed_file);
}

TEST_CASE(
    "ModernBERT's layers have a gate, no biases, norms before their parts, and windows by their number") {
  json value = {{"model_type", "modernbert"}, {"num_hidden_layers", 5}};
  auto const read = [&] { return parse_config(value.dump(), "config.json").encoder; };
  auto const config = read();
  CHECK(config.hidden == 768);
  CHECK(config.vocabulary == 50'368);
  CHECK(config.max_tokens() == 8192);
  CHECK(config.layer_norm_epsilon == 1e-5F);
  CHECK(config.layer.norms == norm_place::before_part);
  CHECK(config.layer.gated);
  CHECK(config.is_rotary());
  for (bool const has : {config.layer.norm_biases, config.layer.attention_biases,
                         config.layer.feed_forward_biases, config.head.first_bias, config.head.takes_mean})
    CHECK_FALSE(has);
  attention_pattern const full{attention_pattern::everything, 160'000};
  attention_pattern const local{64, 10'000};
  std::vector<attention_pattern> found;
  for (std::size_t i = 0; i < config.layers; ++i) found.push_back(config.attention.of(i));
  CHECK(found == std::vector{full, local, local, full, local});

  value["global_attn_every_n_layers"] = 2;
  value["local_attention"] = 9;
  value["global_rope_theta"] = 500;
  value["rope_parameters"] = {{"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 70}}}};
  CHECK(read().attention.of(0) == attention_pattern{attention_pattern::everything, 500});
  CHECK(read().attention.of(1) == attention_pattern{4, 70});
  value["layer_types"] = {"sliding_attention", "full_attention", "full_attention", "full_attention",
                          "sliding_attention"};
  CHECK(read().attention.of(0).window == 4);
  CHECK(read().attention.of(2).window == attention_pattern::everything);
}

TEST_CASE("what ModernBERT's config says of other angles, heads or layers is refused") {
  auto const of = [](char const* key, json const& value) {
    json config = {{"model_type", "modernbert"}, {"num_hidden_layers", 2}};
    config[key] = value;
    return parse_config(config.dump(), "config.json");
  };
  CHECK_NOTHROW(of("head_dim", 64));
  CHECK_NOTHROW(of("sliding_window", 64));
  for (auto const& one : std::vector<std::pair<char const*, json>>{
           {"head_dim", 32},
           {"sliding_window", 128},
           {"rope_scaling", {{"rope_type", "linear"}, {"factor", 2}}},
           {"rope_parameters", {{"full_attention", {{"rope_type", "yarn"}}}}},
           {"rope_parameters", {{"full_attention", {{"factor", 2}}}}},
           {"layer_types", {"full_attention", "chunked_attention"}},
           {"hidden_activation", "silu"},
           {"classifier_pooling", "max"}}) {
    CAPTURE(one.second.dump());
    CHECK_THROWS_AS(of(one.first, one.second), ml::unsupported_model);
  }
  for (auto const& one : std::vector<std::pair<char const*, json>>{
           {"layer_types", {"full_attention"}},
           {"layer_types", "full_attention"},
           {"global_attn_every_n_layers", 0},
           {"global_rope_theta", 0},
           {"rope_parameters", {{"full_attention", {{"rope_theta", nullptr}}}}},
           {"num_attention_heads", 256},
           {"norm_eps", 2}}) {
    CAPTURE(one.second.dump());
    CHECK_THROWS_AS(of(one.first, one.second), ml::malformed_file);
  }
}

TEST_CASE("scores follow the problem type as in transformers' pipeline") {
  CHECK(with("problem_type", "regression").classifier.scores == score_function::none);
  CHECK(with("problem_type", "multi_label_classification").classifier.scores == score_function::sigmoid);
  CHECK(with("problem_type", "single_label_classification").classifier.scores == score_function::softmax);
  CHECK(with("problem_type", nullptr).classifier.scores == score_function::softmax);
  CHECK(with("id2label", {{"0", "x"}}).classifier.scores == score_function::sigmoid);
}

TEST_CASE("other architectures are refused as unsupported") {
  CHECK_THROWS_AS(with("model_type", "gpt2"), ml::unsupported_model);
  CHECK_THROWS_AS(with("hidden_act", "silu"), ml::unsupported_model);
  CHECK_THROWS_AS(with("position_embedding_type", "relative_key"), ml::unsupported_model);
  CHECK_THROWS_AS(with("is_decoder", true), ml::unsupported_model);
  CHECK_THROWS_AS(with("problem_type", "ranking"), ml::unsupported_model);
  CHECK_FALSE(with("architectures", {"BertForTokenClassification"}).classifies_sequences);
}

TEST_CASE("sizes that are no sizes are refused") {
  for (json const& value : {json(-1), json(0), json(1.5), json("24"), json(nullptr), json(1e30),
                            json(1u << 30), json(18446744073709551615U)}) {
    for (char const* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                            "vocab_size", "max_position_embeddings"}) {
      CAPTURE(std::string(key));
      CAPTURE(value.dump());
      CHECK_THROWS_AS(with(key, value), ml::malformed_file);
    }
  }
  CHECK_THROWS_AS(with("layer_norm_eps", -1), ml::malformed_file);
  CHECK_THROWS_AS(with("num_attention_heads", 5), ml::inconsistent_model);
}

TEST_CASE("labels that are no texts are named as Python prints them") {
  auto const config = with("id2label", {{"0", 0}, {"1", 1.0}, {"2", true}, {"3", nullptr}, {"4", "x"}});
  CHECK(config.classifier.labels == std::vector<std::string>{"0", "1.0", "True", "None", "x"});
}

TEST_CASE("where config.json is silent, sizes are those of transformers' classes") {
  auto const of = [](char const* type) {
    return parse_config(json({{"model_type", type}}).dump(), "config.json").encoder;
  };
  CHECK(of("mpnet").vocabulary == 30'527);
  for (char const* type : {"bert", "roberta", "xlm-roberta", "camembert", "distilbert"}) {
    auto const config = of(type);
    CHECK(config.hidden == 768);
    CHECK(config.heads == 12);
    CHECK(config.intermediate == 3072);
    CHECK(config.positions == 512);
    CHECK(config.vocabulary == (std::string_view(type) == "roberta" ? 50'265 : 30'522));
    CHECK(config.layers == (std::string_view(type) == "distilbert" ? 6 : 12));
  }
}

TEST_CASE("DistilBERT's sizes have two names, which must agree") {
  json config = {{"model_type", "distilbert"},
                 {"hidden_size", 24},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 3}};
  auto const encoder = parse_config(config.dump(), "config.json").encoder;
  CHECK(encoder.hidden == 24);
  CHECK(encoder.layers == 2);
  CHECK(encoder.heads == 3);
  config["dim"] = 48;
  CHECK_THROWS_AS(parse_config(config.dump(), "config.json"), ml::malformed_file);
}

TEST_CASE("labels without an id of their own are refused") {
  for (char const* labels :
       {R"({"0":"a","2":"b"})", R"({"0":"a","00":"b"})", R"({"0":"a","x":"b"})", R"({"0":["a"]})",
        R"({"-1":"a"})", R"([])", R"({})", R"({"18446744073709551616":"a"})"}) {
    CAPTURE(std::string(labels));
    CHECK_THROWS_AS(with("id2label", json::parse(labels)), ml::malformed_file);
  }
}
