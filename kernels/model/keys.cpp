// SPDX-License-Identifier: Apache-2.0
#include "model/keys.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace yonder::kernels {
namespace {

using enum key_effect;

constexpr char const* of_config = "config.json";
constexpr char const* of_settings = "tokenizer_config.json";
constexpr char const* of_specials = "special_tokens_map.json";
constexpr char const* of_tokens = "tokenizer.json";
constexpr char const* of_sentence = "sentence_*_config.json";
constexpr char const* of_sentences = "config_sentence_transformers.json";
constexpr char const* of_cross_sentence = "sentence_*_config.json of a CrossEncoder";
constexpr char const* of_cross_encoder = "config_sentence_transformers.json of a CrossEncoder";
constexpr char const* of_pooling = "Pooling config.json";
constexpr char const* of_dense = "Dense config.json";
constexpr char const* of_normalize = "Normalize config.json";

constexpr known_key key_table[] = {
    {of_config, "model_type", honoured, nullptr,
     "bert, distilbert, roberta, xlm-roberta, mpnet; another is refused"},
    {of_config, "architectures", honoured, nullptr,
     "each head needs its own: one that ends in ForSequenceClassification, ForTokenClassification or "
     "ForQuestionAnswering"},
    {of_config, "hidden_size", honoured, nullptr, "DistilBERT: also dim"},
    {of_config, "dim", honoured, nullptr, "DistilBERT"},
    {of_config, "num_hidden_layers", honoured, nullptr, "DistilBERT: also n_layers"},
    {of_config, "n_layers", honoured, nullptr, "DistilBERT"},
    {of_config, "num_attention_heads", honoured, nullptr, "DistilBERT: also n_heads"},
    {of_config, "n_heads", honoured, nullptr, "DistilBERT"},
    {of_config, "intermediate_size", honoured, nullptr, "all but DistilBERT"},
    {of_config, "hidden_dim", honoured, nullptr, "DistilBERT"},
    {of_config, "hidden_act", honoured, nullptr,
     "all but DistilBERT: GELU by erf or tanh under all its names, relu"},
    {of_config, "activation", honoured, nullptr, "DistilBERT, as hidden_act"},
    {of_config, "vocab_size", honoured, nullptr, "a text whose tokens lie past it is refused"},
    {of_config, "max_position_embeddings", honoured, nullptr, "no text is longer"},
    {of_config, "type_vocab_size", honoured, nullptr, "BERT, RoBERTa"},
    {of_config, "layer_norm_eps", honoured, nullptr, "DistilBERT's is 1e-12"},
    {of_config, "relative_attention_num_buckets", honoured, nullptr, "MPNet: rows of a table; it reads 32"},
    {of_config, "pad_token_id", honoured, nullptr, "RoBERTa's positions begin after it; else without effect"},
    {of_config, "id2label", honoured, nullptr, "names, or numbers and truth values as Python prints them"},
    {of_config, "num_labels", honoured, nullptr, "where id2label is absent"},
    {of_config, "problem_type", honoured, nullptr, "softmax, sigmoid or the bare logits"},
    {of_config, "tokenizer_class", honoured, nullptr, "where tokenizer_config.json names none"},
    {of_config, "position_embedding_type", refused, R"(["absolute"])", "other positions"},
    {of_config, "is_decoder", refused, "[false]", "attention to the left only"},
    {of_config, "is_encoder_decoder", refused, "[false]", "another architecture"},
    {of_config, "add_cross_attention", refused, "[false]", "another architecture"},
    {of_config, "pruned_heads", refused, "[{}]", "layers of different shapes"},
    {of_config, "quantization_config", refused, "[]", "weights of another kind"},
    {of_config, "compression_config", refused, "[]", "weights of another kind"},
    {of_config, "auto_map", refused, "[{}]", "code beside the model decides what it computes"},
    {of_config, "per_layer_config", refused, "[{}]", "layers of different kinds"},
    {of_config, "transformers_weights", refused, R"(["model.safetensors"])", "weights in another file"},
    {of_config, "fusion_config", refused, "[{}]", "other operators"},
    {of_config, "dtype", harmless, nullptr,
     "arithmetic is that of text_options::compute, weights those of the file"},
    {of_config, "torch_dtype", harmless, nullptr, "the older name of dtype"},
    {of_config, "chunk_size_feed_forward", harmless, nullptr, "the same numbers in parts"},
    {of_config, "attn_implementation", harmless, nullptr, "the same attention by other code"},
    {of_config, "label2id", honoured, nullptr,
     "zero_shot_classifier: which label is entailment; id2label names the results"},
    {of_config, "sentence_transformers", honoured, nullptr,
     "reranker: its activation_fn, where config_sentence_transformers.json has none"},
    {of_config, "sbert_ce_default_activation_function", honoured, nullptr,
     "reranker: the older place of activation_fn"},
    {of_config, "sinusoidal_pos_embds", harmless, nullptr, "the weights hold the table"},
    {of_config, "function_to_apply", harmless, nullptr, "a pipeline reads it of no model with labels"},
    {of_config, "return_dict", harmless, nullptr, "how Python gets the results"},
    {of_config, "output_hidden_states", harmless, nullptr, "more results, not others"},
    {of_config, "output_attentions", harmless, nullptr, "more results, not others"},
    {of_config, "tie_word_embeddings", harmless, nullptr, "of a language model's head"},
    {of_config, "use_cache", harmless, nullptr, "of decoders"},
    {of_config, "bos_token_id", harmless, nullptr, "of decoders"},
    {of_config, "eos_token_id", harmless, nullptr, "of decoders"},
    {of_config, "initializer_range", harmless, nullptr, "of training"},
    {of_config, "hidden_dropout_prob", harmless, nullptr, "of training, as all dropout"},
    {of_config, "attention_probs_dropout_prob", harmless, nullptr, "of training"},
    {of_config, "classifier_dropout", harmless, nullptr, "of training"},
    {of_config, "dropout", harmless, nullptr, "of training"},
    {of_config, "attention_dropout", harmless, nullptr, "of training"},
    {of_config, "seq_classif_dropout", harmless, nullptr, "of training"},
    {of_config, "qa_dropout", harmless, nullptr, "of training"},
    {of_config, "*", harmless, nullptr,
     "transformers keeps it, and reads it for none of these architectures"},

    {of_settings, "tokenizer_class", honoured, nullptr,
     "which of the five kinds above; a class with code of its own is refused"},
    {of_settings, "do_lower_case", honoured, nullptr,
     "BertTokenizer, MPNetTokenizer: over tokenizer.json; silent: true"},
    {of_settings, "strip_accents", honoured, nullptr,
     "BertTokenizer, MPNetTokenizer: over tokenizer.json; silent: as do_lower_case"},
    {of_settings, "tokenize_chinese_chars", honoured, nullptr,
     "BertTokenizer, MPNetTokenizer: over tokenizer.json; silent: true"},
    {of_settings, "add_prefix_space", honoured, nullptr,
     "RobertaTokenizer, XLMRobertaTokenizer: over tokenizer.json; silent: false, true"},
    {of_settings, "trim_offsets", honoured, nullptr,
     "RobertaTokenizer: whether places of tokens leave out their spaces; silent: true"},
    {of_settings, "model_max_length", honoured, nullptr, "where a text is cut"},
    {of_settings, "max_len", honoured, nullptr, "the older name of model_max_length"},
    {of_settings, "truncation_side", honoured, nullptr, "over tokenizer.json"},
    {of_settings, "model_input_names", honoured, nullptr,
     "with token_type_ids the template's types hold, else 0; without attention_mask refused"},
    {of_settings, "added_tokens_decoder", honoured, nullptr,
     "where it is, special_tokens_map.json and added_tokens.json are not read"},
    {of_settings, "unk_token", honoured, nullptr, "text or AddedToken, as all special tokens"},
    {of_settings, "cls_token", honoured, nullptr,
     "stands before the text: BertTokenizer, MPNetTokenizer, RobertaTokenizer"},
    {of_settings, "sep_token", honoured, nullptr,
     "stands after the text: BertTokenizer, MPNetTokenizer, RobertaTokenizer"},
    {of_settings, "pad_token", honoured, nullptr, "is found in texts"},
    {of_settings, "mask_token", honoured, nullptr, "is found in texts"},
    {of_settings, "bos_token", honoured, nullptr,
     "is found in texts; stands before the text: XLMRobertaTokenizer"},
    {of_settings, "eos_token", honoured, nullptr,
     "is found in texts; stands after the text: XLMRobertaTokenizer"},
    {of_settings, "additional_special_tokens", honoured, nullptr, "are found in texts"},
    {of_settings, "extra_special_tokens", honoured, nullptr,
     "the newer name of additional_special_tokens; also an object"},
    {of_settings, "*_token", honoured, nullptr,
     "any other key that ends so and holds a token: is found in texts"},
    {of_settings, "padding_side", refused, nullptr,
     "left: a text's positions would depend on the texts beside it; RoBERTa's do not"},
    {of_settings, "split_special_tokens", refused, "[false]", "special tokens taken apart"},
    {of_settings, "auto_map", refused, "[{}]", "code beside the model"},
    {of_settings, "fast_tokenizer_files", refused, R"([[], ["tokenizer.json"]])",
     "another file by transformers' version"},
    {of_settings, "init_inputs", refused, "[[]]", "arguments of Python's constructor"},
    {of_settings, "model_specific_special_tokens", refused, "[{}]", "as extra_special_tokens says it"},
    {of_settings, "vocab", refused, "[]", "a vocabulary beside the vocabulary's file"},
    {of_settings, "merges", refused, "[]", "merges beside the file of merges"},
    {of_settings, "do_basic_tokenize", harmless, nullptr,
     "of tokenizers in Python, which transformers 5 has no more"},
    {of_settings, "never_split", harmless, nullptr, "of tokenizers in Python"},
    {of_settings, "add_bos_token", harmless, nullptr,
     "not read beside tokenizer.json; the other kinds have templates of their own"},
    {of_settings, "add_eos_token", harmless, nullptr, "as add_bos_token"},
    {of_settings, "clean_up_tokenization_spaces", harmless, nullptr, "of decoding"},
    {of_settings, "errors", harmless, nullptr, "of decoding"},
    {of_settings, "max_length", harmless, nullptr, "not read when a text is cut"},
    {of_settings, "stride", harmless, nullptr, "of overflowing parts"},
    {of_settings, "truncation_strategy", harmless, nullptr, "of pairs"},
    {of_settings, "pad_to_multiple_of", harmless, nullptr, "padding changes no result"},
    {of_settings, "pad_token_type_id", harmless, nullptr, "padding changes no result"},
    {of_settings, "chat_template", harmless, nullptr, "of chats"},
    {of_settings, "*", harmless, nullptr, "transformers keeps it, and these tokenizers do not read it"},

    {of_specials, "*_token", honoured, nullptr,
     "over tokenizer_config.json, where that has no added_tokens_decoder"},
    {of_specials, "additional_special_tokens", honoured, nullptr, "as *_token"},
    {of_specials, "extra_special_tokens", honoured, nullptr, "as *_token"},
    {of_specials, "*", refused, nullptr, "transformers would take it for a setting of tokenizer_config.json"},

    {"added_tokens.json", "*", honoured, nullptr,
     "a token and its id, where tokenizer_config.json has no added_tokens_decoder"},

    {of_tokens, "model", honoured, nullptr,
     "WordPiece, BPE or Unigram; of the other classes only vocab and merges"},
    {of_tokens, "normalizer", honoured, nullptr,
     "of PreTrainedTokenizerFast; XLMRobertaTokenizer takes its map; the others have their own"},
    {of_tokens, "pre_tokenizer", honoured, nullptr, "of PreTrainedTokenizerFast; the others have their own"},
    {of_tokens, "post_processor", honoured, nullptr, "of PreTrainedTokenizerFast; the others have their own"},
    {of_tokens, "added_tokens", honoured, nullptr,
     "of the other classes: where tokenizer_config.json has no added_tokens_decoder"},
    {of_tokens, "truncation", honoured, nullptr, "see its keys"},
    {of_tokens, "padding", refused, nullptr, "see its keys"},
    {of_tokens, "version", harmless, nullptr, "of the format"},
    {of_tokens, "decoder", harmless, nullptr, "of decoding"},
    {of_tokens, "*", refused, nullptr, "a later version of the format"},
    {of_tokens, "truncation.direction", honoured, nullptr,
     "where tokenizer_config.json has no truncation_side"},
    {of_tokens, "truncation.max_length", harmless, nullptr, "transformers cuts at model_max_length"},
    {of_tokens, "truncation.strategy", harmless, nullptr, "of pairs"},
    {of_tokens, "truncation.stride", harmless, nullptr, "of overflowing parts"},
    {of_tokens, "truncation.*", refused, nullptr, "a later version of the format"},
    {of_tokens, "padding.direction", refused, nullptr,
     "as padding_side, where tokenizer_config.json has none"},
    {of_tokens, "padding.strategy", harmless, nullptr, "padding changes no result"},
    {of_tokens, "padding.pad_to_multiple_of", harmless, nullptr, "padding changes no result"},
    {of_tokens, "padding.pad_id", harmless, nullptr, "padding changes no result"},
    {of_tokens, "padding.pad_type_id", harmless, nullptr, "padding changes no result"},
    {of_tokens, "padding.pad_token", harmless, nullptr, "padding changes no result"},
    {of_tokens, "padding.*", refused, nullptr, "a later version of the format"},
    {of_tokens, "added_tokens.id", honoured, nullptr, "must be the id that transformers gives"},
    {of_tokens, "added_tokens.content", honoured, nullptr, ""},
    {of_tokens, "added_tokens.single_word", honoured, nullptr, ""},
    {of_tokens, "added_tokens.lstrip", honoured, nullptr, ""},
    {of_tokens, "added_tokens.rstrip", honoured, nullptr, ""},
    {of_tokens, "added_tokens.normalized", honoured, nullptr, "absent: where it is not special"},
    {of_tokens, "added_tokens.special", honoured, nullptr, "for normalized, where that is absent"},
    {of_tokens, "added_tokens.*", refused, nullptr, "a later version of the format"},
    {of_tokens, "model.type", honoured, nullptr, "WordPiece, BPE, Unigram; absent: by vocab and merges"},
    {of_tokens, "model.vocab", honoured, nullptr, ""},
    {of_tokens, "model.merges", honoured, nullptr, "BPE"},
    {of_tokens, "model.unk_token", honoured, nullptr, "WordPiece"},
    {of_tokens, "model.continuing_subword_prefix", honoured, nullptr, "WordPiece; BPE: refused but for \"\""},
    {of_tokens, "model.max_input_chars_per_word", honoured, nullptr, "WordPiece"},
    {of_tokens, "model.dropout", refused, "[0, 0.0]", "BPE by chance"},
    {of_tokens, "model.end_of_word_suffix", refused, R"([""])", "another BPE"},
    {of_tokens, "model.byte_fallback", honoured, nullptr, "Unigram; BPE: refused but for false"},
    {of_tokens, "model.unk_id", honoured, nullptr, "Unigram; null: refused"},
    {of_tokens, "model.ignore_merges", refused, "[false]", "another BPE"},
    {of_tokens, "model.fuse_unk", harmless, nullptr, "byte-level BPE knows every byte"},
    {of_tokens, "model.*", refused, nullptr, "a later version of the format"},
    {of_tokens, "normalizer.type", honoured, nullptr,
     "BertNormalizer, Lowercase, NFD, StripAccents, Precompiled, Replace, Strip, a Sequence; others are "
     "refused"},
    {of_tokens, "normalizer.normalizers", honoured, nullptr, "of a Sequence"},
    {of_tokens, "normalizer.clean_text", honoured, nullptr, "BertNormalizer"},
    {of_tokens, "normalizer.handle_chinese_chars", honoured, nullptr, "BertNormalizer"},
    {of_tokens, "normalizer.strip_accents", honoured, nullptr, "BertNormalizer"},
    {of_tokens, "normalizer.lowercase", honoured, nullptr, "BertNormalizer"},
    {of_tokens, "normalizer.precompiled_charsmap", honoured, nullptr, "Precompiled"},
    {of_tokens, "normalizer.pattern", honoured, nullptr,
     "Replace: a String that is not empty, or the Regex \" {2,}\"; others are refused"},
    {of_tokens, "normalizer.content", honoured, nullptr, "Replace"},
    {of_tokens, "normalizer.strip_left", honoured, nullptr, "Strip"},
    {of_tokens, "normalizer.strip_right", honoured, nullptr, "Strip"},
    {of_tokens, "normalizer.*", refused, nullptr, "a later version of the format"},
    {of_tokens, "pre_tokenizer.type", honoured, nullptr,
     "BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Metaspace as the last, ByteLevel, a "
     "Sequence; others are refused"},
    {of_tokens, "pre_tokenizer.pretokenizers", honoured, nullptr, "of a Sequence"},
    {of_tokens, "pre_tokenizer.add_prefix_space", honoured, nullptr,
     "ByteLevel; Metaspace: false is the prepend_scheme never"},
    {of_tokens, "pre_tokenizer.replacement", honoured, nullptr, "Metaspace"},
    {of_tokens, "pre_tokenizer.prepend_scheme", honoured, nullptr,
     "Metaspace: always, never; first: refused after other steps"},
    {of_tokens, "pre_tokenizer.split", honoured, nullptr, "Metaspace"},
    {of_tokens, "pre_tokenizer.str_rep", harmless, nullptr, "tokenizers takes replacement"},
    {of_tokens, "pre_tokenizer.behavior", refused, R"(["Isolated"])", "Punctuation"},
    {of_tokens, "pre_tokenizer.use_regex", refused, "[true]", "ByteLevel"},
    {of_tokens, "pre_tokenizer.trim_offsets", harmless, nullptr, "the post-processor's holds"},
    {of_tokens, "pre_tokenizer.*", refused, nullptr, "a later version of the format"},
    {of_tokens, "post_processor.type", honoured, nullptr,
     "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, a Sequence; others are refused"},
    {of_tokens, "post_processor.processors", honoured, nullptr, "of a Sequence"},
    {of_tokens, "post_processor.single", honoured, nullptr, "TemplateProcessing"},
    {of_tokens, "post_processor.special_tokens", honoured, nullptr, "TemplateProcessing"},
    {of_tokens, "post_processor.cls", honoured, nullptr, "BertProcessing, RobertaProcessing"},
    {of_tokens, "post_processor.sep", honoured, nullptr, "BertProcessing, RobertaProcessing"},
    {of_tokens, "post_processor.pair", honoured, nullptr, "TemplateProcessing, of pairs"},
    {of_tokens, "post_processor.trim_offsets", honoured, nullptr, "of PreTrainedTokenizerFast"},
    {of_tokens, "post_processor.add_prefix_space", honoured, nullptr,
     "of places that leave out spaces: the first token keeps one"},
    {of_tokens, "post_processor.use_regex", harmless, nullptr, "of the pre-tokenizer of the same name"},
    {of_tokens, "post_processor.*", refused, nullptr, "a later version of the format"},

    {"modules.json", "type", honoured, nullptr,
     "sentence_transformers' Transformer, Pooling, Dense, Normalize, Dropout; others are refused"},
    {"modules.json", "path", honoured, nullptr, "inside the model's folder"},
    {"modules.json", "kwargs", refused, "[[], {}]", "arguments of Python's forward"},
    {"modules.json", "idx", harmless, nullptr, "modules run in the order of the file"},
    {"modules.json", "name", harmless, nullptr, "for people"},
    {"modules.json", "*", harmless, nullptr, "sentence-transformers does not read it"},

    {of_sentence, "max_seq_length", honoured, nullptr, "over model_max_length"},
    {of_sentence, "do_lower_case", honoured, nullptr, "lower case before all other normalization"},
    {of_sentence, "transformer_task", refused, R"(["feature-extraction"])", "results of another head"},
    {of_sentence, "modality_config", refused, nullptr,
     "anything but the encoder's last_hidden_state of a text"},
    {of_sentence, "module_output_name", refused, R"(["token_embeddings"])", "results under another name"},
    {of_sentence, "processing_kwargs", refused, "[{}]", "arguments of Python's tokenizer"},
    {of_sentence, "model_args", refused, nullptr,
     "all but add_pooling_layer, attn_implementation and trust_remote_code"},
    {of_sentence, "model_kwargs", refused, nullptr, "as model_args"},
    {of_sentence, "tokenizer_args", refused, nullptr, "all but trust_remote_code"},
    {of_sentence, "processor_kwargs", refused, nullptr, "all but trust_remote_code"},
    {of_sentence, "config_args", refused, nullptr, "all but trust_remote_code"},
    {of_sentence, "config_kwargs", refused, nullptr, "all but trust_remote_code"},
    {of_sentence, "tokenizer_name_or_path", refused, "[]", "a tokenizer from elsewhere"},
    {of_sentence, "query_expansion", harmless, nullptr, "encode() has no task"},
    {of_sentence, "query_length", harmless, nullptr, "encode() has no task"},
    {of_sentence, "document_length", harmless, nullptr, "encode() has no task"},
    {of_sentence, "unpad_inputs", harmless, nullptr, "padding changes no result"},
    {of_sentence, "backend", harmless, nullptr, "what computes in Python"},
    {of_sentence, "*", refused, nullptr, "sentence-transformers refuses it too"},

    {of_sentences, "prompts", honoured, nullptr, "texts by name"},
    {of_sentences, "default_prompt_name", honoured, nullptr, "stands before every text, as encode() puts it"},
    {of_sentences, "truncate_dim", honoured, nullptr, "the first numbers of each vector"},
    {of_sentences, "model_type", refused, R"(["SentenceTransformer"])", "another kind of model"},
    {of_sentences, "similarity_fn_name", harmless, nullptr, "of similarity(), not of vectors"},
    {of_sentences, "__version__", harmless, nullptr, "of what wrote it"},
    {of_sentences, "requirements", harmless, nullptr, "of Python packages"},
    {of_sentences, "*", harmless, nullptr, "sentence-transformers does not read it"},

    {of_cross_sentence, "max_seq_length", honoured, nullptr, "over model_max_length"},
    {of_cross_sentence, "do_lower_case", honoured, nullptr, "lower case before all other normalization"},
    {of_cross_sentence, "transformer_task", refused, R"(["sequence-classification"])",
     "results of another head"},
    {of_cross_sentence, "modality_config", refused, nullptr, "anything but the logits of a text"},
    {of_cross_sentence, "module_output_name", refused, R"(["scores"])", "results under another name"},
    {of_cross_sentence, "processing_kwargs", refused, "[{}]", "arguments of Python's tokenizer"},
    {of_cross_sentence, "model_args", refused, nullptr, "as of an encoder"},
    {of_cross_sentence, "model_kwargs", refused, nullptr, "as model_args"},
    {of_cross_sentence, "tokenizer_args", refused, nullptr, "all but trust_remote_code"},
    {of_cross_sentence, "processor_kwargs", refused, nullptr, "all but trust_remote_code"},
    {of_cross_sentence, "config_args", refused, nullptr, "all but trust_remote_code"},
    {of_cross_sentence, "config_kwargs", refused, nullptr, "all but trust_remote_code"},
    {of_cross_sentence, "tokenizer_name_or_path", refused, "[]", "a tokenizer from elsewhere"},
    {of_cross_sentence, "unpad_inputs", harmless, nullptr, "padding changes no result"},
    {of_cross_sentence, "backend", harmless, nullptr, "what computes in Python"},
    {of_cross_sentence, "*", refused, nullptr, "sentence-transformers refuses it too"},

    {of_cross_encoder, "model_type", honoured, nullptr,
     "CrossEncoder: this file and modules.json are read for a reranker; else neither is"},
    {of_cross_encoder, "activation_fn", honoured, nullptr,
     "torch's Identity or Sigmoid; absent, null or of another module: by config.json, then by the number of "
     "labels"},
    {of_cross_encoder, "default_prompt_name", refused, nullptr, "a prompt that is not empty"},
    {of_cross_encoder, "prompts", harmless, nullptr, "without a default none is taken"},
    {of_cross_encoder, "__version__", harmless, nullptr, "of what wrote it"},
    {of_cross_encoder, "keep_in_fp32_modules", harmless, nullptr, "of 16-bit arithmetic in Python"},
    {of_cross_encoder, "*", harmless, nullptr, "sentence-transformers does not read it"},

    {of_pooling, "pooling_mode", honoured, nullptr,
     "a name or several: cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken"},
    {of_pooling, "pooling_mode_cls_token", honoured, nullptr,
     "before sentence-transformers 5.4; where pooling_mode is absent"},
    {of_pooling, "pooling_mode_max_tokens", honoured, nullptr, "as above"},
    {of_pooling, "pooling_mode_mean_tokens", honoured, nullptr, "as above; none of them: mean"},
    {of_pooling, "pooling_mode_mean_sqrt_len_tokens", honoured, nullptr, "as above"},
    {of_pooling, "pooling_mode_weightedmean_tokens", honoured, nullptr, "as above"},
    {of_pooling, "pooling_mode_lasttoken", honoured, nullptr, "as above"},
    {of_pooling, "include_prompt", honoured, nullptr, "false: the prompt's tokens are left out"},
    {of_pooling, "word_embedding_dimension", harmless, nullptr, "the encoder's is known"},
    {of_pooling, "embedding_dimension", harmless, nullptr, "the encoder's is known"},
    {of_pooling, "*", refused, nullptr, "sentence-transformers refuses it too"},

    {of_dense, "in_features", honoured, nullptr, "must be the width of what comes before"},
    {of_dense, "out_features", honoured, nullptr, ""},
    {of_dense, "bias", honoured, nullptr, "absent: true"},
    {of_dense, "activation_function", honoured, nullptr,
     "torch's Tanh (where absent), Identity, ReLU, GELU, Sigmoid, SiLU; others are refused"},
    {of_dense, "use_residual", honoured, nullptr, ""},
    {of_dense, "module_input_name", refused, R"(["sentence_embedding"])", "of token vectors"},
    {of_dense, "module_output_name", refused, R"(["sentence_embedding"])", "results under another name"},
    {of_dense, "*", harmless, nullptr, "sentence-transformers does not read it"},

    {of_normalize, "module_input_name", refused, R"(["sentence_embedding"])", "of token vectors"},
    {of_normalize, "module_output_name", refused, R"(["sentence_embedding"])", "results under another name"},
    {of_normalize, "*", harmless, nullptr, "sentence-transformers does not read it"},

    {"adapter_config.json", "*", refused, nullptr, "the file itself: an adapter is no model; merge it first"},
};

known_key const* find_row(std::string_view file, std::string_view key) {
  auto const found = std::ranges::find_if(
      key_table, [&](known_key const& row) { return row.file == file && row.key == key; });
  return found == std::end(key_table) ? nullptr : found;
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

std::span<known_key const> known_keys() noexcept { return key_table; }

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
