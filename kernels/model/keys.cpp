// SPDX-License-Identifier: Apache-2.0
#include "model/keys.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace yonder::kernels {
namespace {

using enum key_effect;

constexpr char const* config = "config.json";
constexpr char const* settings = "tokenizer_config.json";
constexpr char const* specials = "special_tokens_map.json";
constexpr char const* tokens = "tokenizer.json";
constexpr char const* sentence = "sentence_*_config.json";
constexpr char const* sentences = "config_sentence_transformers.json";
constexpr char const* pooling = "Pooling config.json";
constexpr char const* dense = "Dense config.json";
constexpr char const* normalize = "Normalize config.json";

constexpr known_key table[] = {
    {config, "model_type", honoured, nullptr, "bert, distilbert, roberta, xlm-roberta; another is refused"},
    {config, "architectures", honoured, nullptr,
     "a classifier needs one that ends in ForSequenceClassification"},
    {config, "hidden_size", honoured, nullptr, "DistilBERT: also dim"},
    {config, "dim", honoured, nullptr, "DistilBERT"},
    {config, "num_hidden_layers", honoured, nullptr, "DistilBERT: also n_layers"},
    {config, "n_layers", honoured, nullptr, "DistilBERT"},
    {config, "num_attention_heads", honoured, nullptr, "DistilBERT: also n_heads"},
    {config, "n_heads", honoured, nullptr, "DistilBERT"},
    {config, "intermediate_size", honoured, nullptr, "BERT, RoBERTa"},
    {config, "hidden_dim", honoured, nullptr, "DistilBERT"},
    {config, "hidden_act", honoured, nullptr, "BERT, RoBERTa: GELU by erf or tanh under all its names, relu"},
    {config, "activation", honoured, nullptr, "DistilBERT, as hidden_act"},
    {config, "vocab_size", honoured, nullptr, "a text whose tokens lie past it is refused"},
    {config, "max_position_embeddings", honoured, nullptr, "no text is longer"},
    {config, "type_vocab_size", honoured, nullptr, "BERT, RoBERTa"},
    {config, "layer_norm_eps", honoured, nullptr, "BERT, RoBERTa; DistilBERT's is 1e-12"},
    {config, "pad_token_id", honoured, nullptr, "RoBERTa's positions begin after it; else without effect"},
    {config, "id2label", honoured, nullptr, "names, or numbers and truth values as Python prints them"},
    {config, "num_labels", honoured, nullptr, "where id2label is absent"},
    {config, "problem_type", honoured, nullptr, "softmax, sigmoid or the bare logits"},
    {config, "tokenizer_class", honoured, nullptr, "where tokenizer_config.json names none"},
    {config, "position_embedding_type", refused, R"(["absolute"])", "other positions"},
    {config, "is_decoder", refused, "[false]", "attention to the left only"},
    {config, "is_encoder_decoder", refused, "[false]", "another architecture"},
    {config, "add_cross_attention", refused, "[false]", "another architecture"},
    {config, "pruned_heads", refused, "[{}]", "layers of different shapes"},
    {config, "quantization_config", refused, "[]", "weights of another kind"},
    {config, "compression_config", refused, "[]", "weights of another kind"},
    {config, "auto_map", refused, "[{}]", "code beside the model decides what it computes"},
    {config, "per_layer_config", refused, "[{}]", "layers of different kinds"},
    {config, "transformers_weights", refused, R"(["model.safetensors"])", "weights in another file"},
    {config, "fusion_config", refused, "[{}]", "other operators"},
    {config, "dtype", harmless, nullptr,
     "arithmetic is that of text_options::compute, weights those of the file"},
    {config, "torch_dtype", harmless, nullptr, "the older name of dtype"},
    {config, "chunk_size_feed_forward", harmless, nullptr, "the same numbers in parts"},
    {config, "attn_implementation", harmless, nullptr, "the same attention by other code"},
    {config, "label2id", harmless, nullptr, "for training; id2label names the results"},
    {config, "sinusoidal_pos_embds", harmless, nullptr, "the weights hold the table"},
    {config, "function_to_apply", harmless, nullptr, "a pipeline reads it of no model with labels"},
    {config, "return_dict", harmless, nullptr, "how Python gets the results"},
    {config, "output_hidden_states", harmless, nullptr, "more results, not others"},
    {config, "output_attentions", harmless, nullptr, "more results, not others"},
    {config, "tie_word_embeddings", harmless, nullptr, "of a language model's head"},
    {config, "use_cache", harmless, nullptr, "of decoders"},
    {config, "bos_token_id", harmless, nullptr, "of decoders"},
    {config, "eos_token_id", harmless, nullptr, "of decoders"},
    {config, "initializer_range", harmless, nullptr, "of training"},
    {config, "hidden_dropout_prob", harmless, nullptr, "of training, as all dropout"},
    {config, "attention_probs_dropout_prob", harmless, nullptr, "of training"},
    {config, "classifier_dropout", harmless, nullptr, "of training"},
    {config, "dropout", harmless, nullptr, "of training"},
    {config, "attention_dropout", harmless, nullptr, "of training"},
    {config, "seq_classif_dropout", harmless, nullptr, "of training"},
    {config, "qa_dropout", harmless, nullptr, "of training"},
    {config, "*", harmless, nullptr, "transformers keeps it, and reads it for none of these architectures"},

    {settings, "tokenizer_class", honoured, nullptr,
     "which of the three kinds above; a class with code of its own is refused"},
    {settings, "do_lower_case", honoured, nullptr, "BertTokenizer: over tokenizer.json; silent: true"},
    {settings, "strip_accents", honoured, nullptr,
     "BertTokenizer: over tokenizer.json; silent: as do_lower_case"},
    {settings, "tokenize_chinese_chars", honoured, nullptr,
     "BertTokenizer: over tokenizer.json; silent: true"},
    {settings, "add_prefix_space", honoured, nullptr, "RobertaTokenizer: over tokenizer.json; silent: false"},
    {settings, "model_max_length", honoured, nullptr, "where a text is cut"},
    {settings, "max_len", honoured, nullptr, "the older name of model_max_length"},
    {settings, "truncation_side", honoured, nullptr, "over tokenizer.json"},
    {settings, "model_input_names", honoured, nullptr,
     "with token_type_ids the template's types hold, else 0; without attention_mask refused"},
    {settings, "added_tokens_decoder", honoured, nullptr,
     "where it is, special_tokens_map.json and added_tokens.json are not read"},
    {settings, "unk_token", honoured, nullptr, "text or AddedToken, as all special tokens"},
    {settings, "cls_token", honoured, nullptr, "stands before the text: BertTokenizer, RobertaTokenizer"},
    {settings, "sep_token", honoured, nullptr, "stands after the text: BertTokenizer, RobertaTokenizer"},
    {settings, "pad_token", honoured, nullptr, "is found in texts"},
    {settings, "mask_token", honoured, nullptr, "is found in texts"},
    {settings, "bos_token", honoured, nullptr, "is found in texts"},
    {settings, "eos_token", honoured, nullptr, "is found in texts"},
    {settings, "additional_special_tokens", honoured, nullptr, "are found in texts"},
    {settings, "extra_special_tokens", honoured, nullptr,
     "the newer name of additional_special_tokens; also an object"},
    {settings, "*_token", honoured, nullptr,
     "any other key that ends so and holds a token: is found in texts"},
    {settings, "padding_side", refused, nullptr,
     "left: a text's positions would depend on the texts beside it; RoBERTa's do not"},
    {settings, "split_special_tokens", refused, "[false]", "special tokens taken apart"},
    {settings, "auto_map", refused, "[{}]", "code beside the model"},
    {settings, "fast_tokenizer_files", refused, R"([[], ["tokenizer.json"]])",
     "another file by transformers' version"},
    {settings, "init_inputs", refused, "[[]]", "arguments of Python's constructor"},
    {settings, "model_specific_special_tokens", refused, "[{}]", "as extra_special_tokens says it"},
    {settings, "vocab", refused, "[]", "a vocabulary beside the vocabulary's file"},
    {settings, "merges", refused, "[]", "merges beside the file of merges"},
    {settings, "do_basic_tokenize", harmless, nullptr,
     "of tokenizers in Python, which transformers 5 has no more"},
    {settings, "never_split", harmless, nullptr, "of tokenizers in Python"},
    {settings, "add_bos_token", harmless, nullptr,
     "not read beside tokenizer.json; the other kinds have templates of their own"},
    {settings, "add_eos_token", harmless, nullptr, "as add_bos_token"},
    {settings, "clean_up_tokenization_spaces", harmless, nullptr, "of decoding"},
    {settings, "trim_offsets", harmless, nullptr, "of offsets"},
    {settings, "errors", harmless, nullptr, "of decoding"},
    {settings, "max_length", harmless, nullptr, "not read when a text is cut"},
    {settings, "stride", harmless, nullptr, "of overflowing parts"},
    {settings, "truncation_strategy", harmless, nullptr, "of pairs"},
    {settings, "pad_to_multiple_of", harmless, nullptr, "padding changes no result"},
    {settings, "pad_token_type_id", harmless, nullptr, "padding changes no result"},
    {settings, "chat_template", harmless, nullptr, "of chats"},
    {settings, "*", harmless, nullptr, "transformers keeps it, and these tokenizers do not read it"},

    {specials, "*_token", honoured, nullptr,
     "over tokenizer_config.json, where that has no added_tokens_decoder"},
    {specials, "additional_special_tokens", honoured, nullptr, "as *_token"},
    {specials, "extra_special_tokens", honoured, nullptr, "as *_token"},
    {specials, "*", refused, nullptr, "transformers would take it for a setting of tokenizer_config.json"},

    {"added_tokens.json", "*", honoured, nullptr,
     "a token and its id, where tokenizer_config.json has no added_tokens_decoder"},

    {tokens, "model", honoured, nullptr,
     "WordPiece or BPE; of BertTokenizer and RobertaTokenizer only vocab and merges"},
    {tokens, "normalizer", honoured, nullptr, "of PreTrainedTokenizerFast; the others have their own"},
    {tokens, "pre_tokenizer", honoured, nullptr, "of PreTrainedTokenizerFast; the others have their own"},
    {tokens, "post_processor", honoured, nullptr, "of PreTrainedTokenizerFast; the others have their own"},
    {tokens, "added_tokens", honoured, nullptr,
     "BertTokenizer and RobertaTokenizer: where tokenizer_config.json has no added_tokens_decoder"},
    {tokens, "truncation", honoured, nullptr, "see its keys"},
    {tokens, "padding", refused, nullptr, "see its keys"},
    {tokens, "version", harmless, nullptr, "of the format"},
    {tokens, "decoder", harmless, nullptr, "of decoding"},
    {tokens, "*", refused, nullptr, "a later version of the format"},
    {tokens, "truncation.direction", honoured, nullptr, "where tokenizer_config.json has no truncation_side"},
    {tokens, "truncation.max_length", harmless, nullptr, "transformers cuts at model_max_length"},
    {tokens, "truncation.strategy", harmless, nullptr, "of pairs"},
    {tokens, "truncation.stride", harmless, nullptr, "of overflowing parts"},
    {tokens, "truncation.*", refused, nullptr, "a later version of the format"},
    {tokens, "padding.direction", refused, nullptr, "as padding_side, where tokenizer_config.json has none"},
    {tokens, "padding.strategy", harmless, nullptr, "padding changes no result"},
    {tokens, "padding.pad_to_multiple_of", harmless, nullptr, "padding changes no result"},
    {tokens, "padding.pad_id", harmless, nullptr, "padding changes no result"},
    {tokens, "padding.pad_type_id", harmless, nullptr, "padding changes no result"},
    {tokens, "padding.pad_token", harmless, nullptr, "padding changes no result"},
    {tokens, "padding.*", refused, nullptr, "a later version of the format"},
    {tokens, "added_tokens.id", honoured, nullptr, "must be the id that transformers gives"},
    {tokens, "added_tokens.content", honoured, nullptr, ""},
    {tokens, "added_tokens.single_word", honoured, nullptr, ""},
    {tokens, "added_tokens.lstrip", honoured, nullptr, ""},
    {tokens, "added_tokens.rstrip", honoured, nullptr, ""},
    {tokens, "added_tokens.normalized", honoured, nullptr, "absent: where it is not special"},
    {tokens, "added_tokens.special", honoured, nullptr, "for normalized, where that is absent"},
    {tokens, "added_tokens.*", refused, nullptr, "a later version of the format"},
    {tokens, "model.type", honoured, nullptr, "WordPiece, BPE; absent: by merges"},
    {tokens, "model.vocab", honoured, nullptr, ""},
    {tokens, "model.merges", honoured, nullptr, "BPE"},
    {tokens, "model.unk_token", honoured, nullptr, "WordPiece"},
    {tokens, "model.continuing_subword_prefix", honoured, nullptr, "WordPiece; BPE: refused but for \"\""},
    {tokens, "model.max_input_chars_per_word", honoured, nullptr, "WordPiece"},
    {tokens, "model.dropout", refused, "[0, 0.0]", "BPE by chance"},
    {tokens, "model.end_of_word_suffix", refused, R"([""])", "another BPE"},
    {tokens, "model.byte_fallback", refused, "[false]", "another BPE"},
    {tokens, "model.ignore_merges", refused, "[false]", "another BPE"},
    {tokens, "model.fuse_unk", harmless, nullptr, "byte-level BPE knows every byte"},
    {tokens, "model.*", refused, nullptr, "a later version of the format"},
    {tokens, "normalizer.type", honoured, nullptr,
     "BertNormalizer, Lowercase, NFD, StripAccents, a Sequence; others are refused"},
    {tokens, "normalizer.normalizers", honoured, nullptr, "of a Sequence"},
    {tokens, "normalizer.clean_text", honoured, nullptr, "BertNormalizer"},
    {tokens, "normalizer.handle_chinese_chars", honoured, nullptr, "BertNormalizer"},
    {tokens, "normalizer.strip_accents", honoured, nullptr, "BertNormalizer"},
    {tokens, "normalizer.lowercase", honoured, nullptr, "BertNormalizer"},
    {tokens, "normalizer.*", refused, nullptr, "a later version of the format"},
    {tokens, "pre_tokenizer.type", honoured, nullptr,
     "BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, ByteLevel, a Sequence; others are refused"},
    {tokens, "pre_tokenizer.pretokenizers", honoured, nullptr, "of a Sequence"},
    {tokens, "pre_tokenizer.add_prefix_space", honoured, nullptr, "ByteLevel"},
    {tokens, "pre_tokenizer.behavior", refused, R"(["Isolated"])", "Punctuation"},
    {tokens, "pre_tokenizer.use_regex", refused, "[true]", "ByteLevel"},
    {tokens, "pre_tokenizer.trim_offsets", harmless, nullptr, "of offsets"},
    {tokens, "pre_tokenizer.*", refused, nullptr, "a later version of the format"},
    {tokens, "post_processor.type", honoured, nullptr,
     "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, a Sequence; others are refused"},
    {tokens, "post_processor.processors", honoured, nullptr, "of a Sequence"},
    {tokens, "post_processor.single", honoured, nullptr, "TemplateProcessing"},
    {tokens, "post_processor.special_tokens", honoured, nullptr, "TemplateProcessing"},
    {tokens, "post_processor.cls", honoured, nullptr, "BertProcessing, RobertaProcessing"},
    {tokens, "post_processor.sep", honoured, nullptr, "BertProcessing, RobertaProcessing"},
    {tokens, "post_processor.pair", harmless, nullptr, "of pairs"},
    {tokens, "post_processor.trim_offsets", harmless, nullptr, "of offsets"},
    {tokens, "post_processor.add_prefix_space", harmless, nullptr, "of offsets"},
    {tokens, "post_processor.use_regex", harmless, nullptr, "of the pre-tokenizer of the same name"},
    {tokens, "post_processor.*", refused, nullptr, "a later version of the format"},

    {"modules.json", "type", honoured, nullptr,
     "sentence_transformers' Transformer, Pooling, Dense, Normalize, Dropout; others are refused"},
    {"modules.json", "path", honoured, nullptr, "inside the model's folder"},
    {"modules.json", "kwargs", refused, "[[], {}]", "arguments of Python's forward"},
    {"modules.json", "idx", harmless, nullptr, "modules run in the order of the file"},
    {"modules.json", "name", harmless, nullptr, "for people"},
    {"modules.json", "*", harmless, nullptr, "sentence-transformers does not read it"},

    {sentence, "max_seq_length", honoured, nullptr, "over model_max_length"},
    {sentence, "do_lower_case", honoured, nullptr, "lower case before all other normalization"},
    {sentence, "transformer_task", refused, R"(["feature-extraction"])", "results of another head"},
    {sentence, "modality_config", refused, nullptr, "anything but the encoder's last_hidden_state of a text"},
    {sentence, "module_output_name", refused, R"(["token_embeddings"])", "results under another name"},
    {sentence, "processing_kwargs", refused, "[{}]", "arguments of Python's tokenizer"},
    {sentence, "model_args", refused, nullptr,
     "all but add_pooling_layer, attn_implementation and trust_remote_code"},
    {sentence, "model_kwargs", refused, nullptr, "as model_args"},
    {sentence, "tokenizer_args", refused, nullptr, "all but trust_remote_code"},
    {sentence, "processor_kwargs", refused, nullptr, "all but trust_remote_code"},
    {sentence, "config_args", refused, nullptr, "all but trust_remote_code"},
    {sentence, "config_kwargs", refused, nullptr, "all but trust_remote_code"},
    {sentence, "tokenizer_name_or_path", refused, "[]", "a tokenizer from elsewhere"},
    {sentence, "query_expansion", harmless, nullptr, "encode() has no task"},
    {sentence, "query_length", harmless, nullptr, "encode() has no task"},
    {sentence, "document_length", harmless, nullptr, "encode() has no task"},
    {sentence, "unpad_inputs", harmless, nullptr, "padding changes no result"},
    {sentence, "backend", harmless, nullptr, "what computes in Python"},
    {sentence, "*", refused, nullptr, "sentence-transformers refuses it too"},

    {sentences, "prompts", honoured, nullptr, "texts by name"},
    {sentences, "default_prompt_name", honoured, nullptr, "stands before every text, as encode() puts it"},
    {sentences, "truncate_dim", honoured, nullptr, "the first numbers of each vector"},
    {sentences, "model_type", refused, R"(["SentenceTransformer"])", "another kind of model"},
    {sentences, "similarity_fn_name", harmless, nullptr, "of similarity(), not of vectors"},
    {sentences, "__version__", harmless, nullptr, "of what wrote it"},
    {sentences, "requirements", harmless, nullptr, "of Python packages"},
    {sentences, "*", harmless, nullptr, "sentence-transformers does not read it"},

    {pooling, "pooling_mode", honoured, nullptr,
     "a name or several: cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken"},
    {pooling, "pooling_mode_cls_token", honoured, nullptr,
     "before sentence-transformers 5.4; where pooling_mode is absent"},
    {pooling, "pooling_mode_max_tokens", honoured, nullptr, "as above"},
    {pooling, "pooling_mode_mean_tokens", honoured, nullptr, "as above; none of them: mean"},
    {pooling, "pooling_mode_mean_sqrt_len_tokens", honoured, nullptr, "as above"},
    {pooling, "pooling_mode_weightedmean_tokens", honoured, nullptr, "as above"},
    {pooling, "pooling_mode_lasttoken", honoured, nullptr, "as above"},
    {pooling, "include_prompt", honoured, nullptr, "false: the prompt's tokens are left out"},
    {pooling, "word_embedding_dimension", harmless, nullptr, "the encoder's is known"},
    {pooling, "embedding_dimension", harmless, nullptr, "the encoder's is known"},
    {pooling, "*", refused, nullptr, "sentence-transformers refuses it too"},

    {dense, "in_features", honoured, nullptr, "must be the width of what comes before"},
    {dense, "out_features", honoured, nullptr, ""},
    {dense, "bias", honoured, nullptr, "absent: true"},
    {dense, "activation_function", honoured, nullptr,
     "torch's Tanh (where absent), Identity, ReLU, GELU, Sigmoid, SiLU; others are refused"},
    {dense, "use_residual", honoured, nullptr, ""},
    {dense, "module_input_name", refused, R"(["sentence_embedding"])", "of token vectors"},
    {dense, "module_output_name", refused, R"(["sentence_embedding"])", "results under another name"},
    {dense, "*", harmless, nullptr, "sentence-transformers does not read it"},

    {normalize, "module_input_name", refused, R"(["sentence_embedding"])", "of token vectors"},
    {normalize, "module_output_name", refused, R"(["sentence_embedding"])", "results under another name"},
    {normalize, "*", harmless, nullptr, "sentence-transformers does not read it"},

    {"adapter_config.json", "*", refused, nullptr, "the file itself: an adapter is no model; merge it first"},
};

known_key const* find_row(std::string_view file, std::string_view key) {
  auto const found =
      std::ranges::find_if(table, [&](known_key const& row) { return row.file == file && row.key == key; });
  return found == std::end(table) ? nullptr : found;
}

void check_value(json_view const& value, std::string const& key, known_key const& row) {
  if (row.effect != refused || row.allowed == nullptr) return;
  json const& found = value.raw()[key];
  json const allowed = json::parse(row.allowed);
  if (found.is_null() || std::ranges::find(allowed, found) != allowed.end()) return;
  std::string expected = "no such key";
  for (json const& each : allowed) expected += ", or " + each.dump();
  value.unsupported(key, expected);
}

}  // namespace

std::span<known_key const> known_keys() noexcept { return table; }

void check_keys(json_view const& value, std::string_view file, std::string const& where) {
  auto const* const others = find_row(file, where + "*");
  bool const closed = others != nullptr && others->effect == refused;
  for (auto const& [key, unused] : value.raw().items()) {
    bool const token = key.ends_with("_token") && find_row(file, where + "*_token") != nullptr;
    if (auto const* const row = find_row(file, where + key)) {
      check_value(value, key, *row);
    } else if (closed && !token) {
      value.unsupported(key, "only keys that this version knows");
    }
  }
}

}  // namespace yonder::kernels
