// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "model/keys.hpp"
#include "model/mapped_file.hpp"
#include "model/sentencepiece.hpp"
#include "model/tokenizer_assembly.hpp"
#include "model/unicode.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

constexpr char const* sentencepiece_file = "sentencepiece.bpe.model";

std::string_view without_space_at_end(std::string_view line) {
  while (!line.empty()) {
    auto const [code, bytes] = unicode::decode_before(line.data() + line.size());
    if ((unicode::properties(code) & unicode::whitespace) == 0) break;
    line.remove_suffix(bytes);
  }
  return line;
}

std::vector<wordpiece::entry> parse_lines(std::string_view text) {
  std::vector<wordpiece::entry> vocabulary;
  while (!text.empty()) {
    auto const line = text.substr(0, text.find('\n'));
    vocabulary.emplace_back(without_space_at_end(line), static_cast<std::int32_t>(vocabulary.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return vocabulary;
}

// One merge a line, after one that begins with #version.
std::vector<byte_level::bpe::merge_rule> parse_merge_lines(named_text merges) {
  std::vector<byte_level::bpe::merge_rule> rules;
  std::size_t number = 0;
  for (std::string_view left = merges.text; !left.empty();) {
    auto line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number;
    if (line.starts_with("#version") || line.empty()) continue;
    auto rule = parse_merge(line);
    if (!rule) {
      throw ml::malformed_file({merges.file, "line " + std::to_string(number) + " without two tokens",
                                "\"left right\" in each line", "download the file again"});
    }
    rules.push_back(std::move(*rule));
  }
  return rules;
}

void require_utf8(named_text source) {
  auto const offset = unicode::find_invalid_utf8(source.text);
  if (!offset) return;
  throw ml::malformed_file({source.file, "a byte at offset " + std::to_string(*offset) + " that is not UTF-8",
                            "tokens in lines, in UTF-8", "download the file again"});
}

// What config.json says of the tokenizer.
struct model_kind {
  std::string model_type;
  std::optional<std::string> tokenizer_class;
};

model_kind read_model_kind(std::filesystem::path const& folder) {
  auto const path = folder / "config.json";
  if (!std::filesystem::exists(path)) return {};
  std::string const file = path.string();
  json const value = read_json(path);
  json_view const root(value, file);
  model_kind kind{root.string_or("model_type", ""), std::nullopt};
  if (!root.lacks("tokenizer_class")) kind.tokenizer_class = root.string("tokenizer_class");
  return kind;
}

// The other classes of transformers 5.24, which do things of their own.
constexpr std::string_view other_classes[] = {"AlbertTokenizer",
                                              "BarthezTokenizer",
                                              "BartphoTokenizer",
                                              "BertGenerationTokenizer",
                                              "BertJapaneseTokenizer",
                                              "BertweetTokenizer",
                                              "BigBirdTokenizer",
                                              "BioGptTokenizer",
                                              "BlenderbotSmallTokenizer",
                                              "BlenderbotTokenizer",
                                              "ByT5Tokenizer",
                                              "CLIPTokenizer",
                                              "CTRLTokenizer",
                                              "CanineTokenizer",
                                              "ClvpTokenizer",
                                              "CodeGenTokenizer",
                                              "CodeLlamaTokenizer",
                                              "CohereTokenizer",
                                              "CpmAntTokenizer",
                                              "CpmTokenizer",
                                              "DPRContextEncoderTokenizer",
                                              "DPRQuestionEncoderTokenizer",
                                              "DPRReaderTokenizer",
                                              "DebertaTokenizer",
                                              "DebertaV2Tokenizer",
                                              "DiaTokenizer",
                                              "EsmTokenizer",
                                              "EsmcTokenizer",
                                              "FNetTokenizer",
                                              "FSMTTokenizer",
                                              "FastSpeech2ConformerTokenizer",
                                              "FlaubertTokenizer",
                                              "FunnelTokenizer",
                                              "GPT2Tokenizer",
                                              "GPTNeoXJapaneseTokenizer",
                                              "GPTNeoXTokenizer",
                                              "GPTSw3Tokenizer",
                                              "GemmaTokenizer",
                                              "HerbertTokenizer",
                                              "LasrTokenizer",
                                              "LayoutLMv2Tokenizer",
                                              "LayoutLMv3Tokenizer",
                                              "LayoutXLMTokenizer",
                                              "LlamaTokenizer",
                                              "LukeTokenizer",
                                              "M2M100Tokenizer",
                                              "MBart50Tokenizer",
                                              "MBartTokenizer",
                                              "MLukeTokenizer",
                                              "MarianTokenizer",
                                              "MarkupLMTokenizer",
                                              "MgpstrTokenizer",
                                              "MyT5Tokenizer",
                                              "NllbTokenizer",
                                              "NougatTokenizer",
                                              "OpenAIGPTTokenizer",
                                              "PLBartTokenizer",
                                              "ParakeetTokenizer",
                                              "PegasusTokenizer",
                                              "PerceiverTokenizer",
                                              "PhobertTokenizer",
                                              "Pop2PianoTokenizer",
                                              "ProphetNetTokenizer",
                                              "Qwen2Tokenizer",
                                              "Qwen3_5Tokenizer",
                                              "RagTokenizer",
                                              "ReformerTokenizer",
                                              "RemBertTokenizer",
                                              "RoCBertTokenizer",
                                              "RoFormerTokenizer",
                                              "SeamlessM4TTokenizer",
                                              "Siglip2Tokenizer",
                                              "SiglipTokenizer",
                                              "Speech2TextTokenizer",
                                              "SpeechT5Tokenizer",
                                              "SplinterTokenizer",
                                              "T5Tokenizer",
                                              "TapasTokenizer",
                                              "Tipsv2Tokenizer",
                                              "UdopTokenizer",
                                              "VideoPrismTokenizer",
                                              "VitsTokenizer",
                                              "Wav2Vec2CTCTokenizer",
                                              "Wav2Vec2PhonemeCTCTokenizer",
                                              "WhisperTokenizer",
                                              "XGLMTokenizer",
                                              "XLMTokenizer",
                                              "XLNetTokenizer"};

// Of a class of transformers 5.24, whatever "Fast" stands behind its name; one that is not there is taken for
// tokenizer.json as it is written. Nothing for a class that is none of the five kinds.
std::optional<tokenizer_kind> kind_of_class(std::string_view name) {
  constexpr std::string_view bert[] = {"BertTokenizer",       "DistilBertTokenizer", "ConvBertTokenizer",
                                       "ElectraTokenizer",    "LayoutLMTokenizer",   "LxmertTokenizer",
                                       "MobileBertTokenizer", "SqueezeBertTokenizer"};
  constexpr std::string_view roberta[] = {"RobertaTokenizer", "BartTokenizer", "LEDTokenizer",
                                          "LongformerTokenizer", "MvpTokenizer"};
  if (name.ends_with("Fast")) name.remove_suffix(4);
  auto const is_in = [&](auto const& names) { return std::ranges::find(names, name) != std::end(names); };
  if (is_in(bert)) return tokenizer_kind::bert;
  if (is_in(roberta)) return tokenizer_kind::roberta;
  if (name == "XLMRobertaTokenizer") return tokenizer_kind::xlm_roberta;
  if (name == "CamembertTokenizer") return tokenizer_kind::camembert;
  if (name == "MPNetTokenizer") return tokenizer_kind::mpnet;
  if (is_in(other_classes)) return std::nullopt;
  return tokenizer_kind::as_written;
}

tokenizer_kind kind_of_class(std::string const& name, std::string const& file) {
  if (auto const kind = kind_of_class(name)) return *kind;
  throw ml::unsupported_model(
      {file, "\"tokenizer_class\": \"" + name + "\"",
       "BertTokenizer, DistilBertTokenizer, RobertaTokenizer, XLMRobertaTokenizer, CamembertTokenizer or "
       "PreTrainedTokenizerFast",
       "choose another model, or name PreTrainedTokenizerFast if tokenizer.json says all that it does"});
}

// As AutoTokenizer chooses: by name, or else by the kind of model; a folder without both tells by its files.
tokenizer_kind choose_kind(std::filesystem::path const& folder, tokenizer_settings const& settings,
                           model_kind const& model) {
  if (model.model_type == "modernbert") return tokenizer_kind::as_written;  // whatever class is named
  if (settings.tokenizer_class) {
    return kind_of_class(*settings.tokenizer_class, (folder / "tokenizer_config.json").string());
  }
  if (model.tokenizer_class) return kind_of_class(*model.tokenizer_class, (folder / "config.json").string());
  if (model.model_type == "bert" || model.model_type == "distilbert") return tokenizer_kind::bert;
  if (model.model_type == "roberta") return tokenizer_kind::roberta;
  if (model.model_type == "mpnet") return tokenizer_kind::mpnet;
  if (model.model_type == "xlm-roberta") return tokenizer_kind::xlm_roberta;
  if (model.model_type == "camembert") return tokenizer_kind::camembert;
  if (std::filesystem::exists(folder / "tokenizer.json")) return tokenizer_kind::as_written;
  if (std::filesystem::exists(folder / sentencepiece_file)) return tokenizer_kind::xlm_roberta;
  return std::filesystem::exists(folder / "vocab.txt") ? tokenizer_kind::bert : tokenizer_kind::roberta;
}

// Of BertTokenizer's classes DistilBERT's alone gives none; only pairs of texts show it.
bool class_gives_type_ids(tokenizer_settings const& settings, model_kind const& model) {
  auto const by_model = model.model_type == "distilbert" ? "DistilBertTokenizer" : "";
  auto const name = settings.tokenizer_class.value_or(model.tokenizer_class.value_or(by_model));
  return settings.kind == tokenizer_kind::bert && !name.starts_with("DistilBertTokenizer");
}

// BERT's positions count padding on the left: a text's numbers would depend on the texts beside it.
void check_padding_side(side where, std::string const& model_type, std::string const& file,
                        std::string const& key) {
  bool const from_padding =
      model_type.ends_with("roberta") || model_type == "camembert" || model_type == "mpnet";
  if (where == side::right || from_padding) return;
  throw ml::unsupported_model({file, "\"" + key + "\": \"left\"",
                               "\"right\", as padding on the left moves the positions of this kind of model",
                               "set it to right, which changes no text that stands alone"});
}

void check_padding(loaded_tokenizer const& loaded, tokenizer_settings const& settings,
                   std::filesystem::path const& folder, std::string const& model_type) {
  if (settings.padding_side) {
    check_padding_side(*settings.padding_side, model_type, (folder / "tokenizer_config.json").string(),
                       "padding_side");
  } else if (auto const& pad = loaded.tokens.padding_of_file()) {
    check_padding_side(pad->pad, model_type, loaded.file, "padding.direction");
  }
}

[[noreturn]] void fail_missing(std::filesystem::path const& folder, tokenizer_kind kind) {
  std::string found = "no such file";
  if (kind == tokenizer_kind::bert || kind == tokenizer_kind::mpnet) found += ", and no vocab.txt either";
  if (kind == tokenizer_kind::roberta) found += ", and no vocab.json either";
  if (is_unigram_class(kind)) found += std::string(", and no ") + sentencepiece_file + " either";
  throw ml::missing_file({(folder / "tokenizer.json").string(), found,
                          kind == tokenizer_kind::as_written ? "it" : "one of them",
                          "download the tokenizer too: it belongs to the model"});
}

tokenizer load_tokens(std::filesystem::path const& folder, tokenizer_settings const& settings,
                      std::string& name) {
  auto const exists = [&](char const* file) {
    bool const there = std::filesystem::exists(folder / file);
    if (there) name = (folder / file).string();
    return there;
  };
  if (exists("tokenizer.json")) {
    mapped_file const file(name);
    return parse_tokenizer_json(file.text(), name, settings);
  }
  bool const wordpiece_class =
      settings.kind == tokenizer_kind::bert || settings.kind == tokenizer_kind::mpnet;
  if (wordpiece_class && exists("vocab.txt")) {
    mapped_file const file(name);
    return parse_vocabulary(file.text(), name, settings);
  }
  if (settings.kind == tokenizer_kind::roberta && exists("vocab.json")) {
    std::string const merges_name = (folder / "merges.txt").string();
    mapped_file const file(name);
    mapped_file const merges(merges_name);
    return parse_byte_level({file.text(), name}, {merges.text(), merges_name}, settings);
  }
  if (is_unigram_class(settings.kind) && exists(sentencepiece_file)) {
    mapped_file const file(name);
    return parse_sentencepiece(file.text(), name, settings);
  }
  fail_missing(folder, settings.kind);
}

// The special tokens as fairseq has them, and the pieces after SentencePiece's own three; or, for
// CamembertTokenizer, after its unknown one.
std::vector<scored_piece> fairseq_vocabulary(sentencepiece_model model, tokenizer_settings const& settings) {
  bool const camembert = settings.kind == tokenizer_kind::camembert;
  std::vector<scored_piece> pieces = {{camembert ? "<s>NOTUSED" : settings.beginning->content, 0},
                                      {settings.padding->content, 0},
                                      {camembert ? "</s>NOTUSED" : settings.end->content, 0},
                                      {settings.unknown->content, 0}};
  if (camembert) pieces.push_back({"<unk>NOTUSED", -100});
  for (std::size_t i = camembert ? 1 : 3; i < model.pieces.size(); ++i)
    pieces.push_back(std::move(model.pieces[i]));
  pieces.push_back({settings.mask->content, 0});
  return pieces;
}

// SentencePiece's control and user-defined pieces are found in texts; what tokenizer_config.json lists
// besides is not, as transformers has it.
void list_own_tokens(sentencepiece_model const& model, tokenizer_settings& settings) {
  settings.other_special.clear();
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    bool const control = model.kinds[i] == sentencepiece_model::kind::control;
    if (!control && model.kinds[i] != sentencepiece_model::kind::user_defined) continue;
    settings.other_special.push_back({.content = model.pieces[i].text, .special = control});
  }
}

}  // namespace

tokenizer parse_vocabulary(std::string_view text, std::string const& file, tokenizer_settings const& given) {
  require_utf8({text, file});
  tokenizer_settings settings = given;
  if (settings.kind != tokenizer_kind::mpnet) settings.kind = tokenizer_kind::bert;
  return make_by_class(make_wordpiece(parse_lines(text), options_of(settings), file), settings, {}, file);
}

tokenizer parse_byte_level(named_text vocabulary, named_text merges, tokenizer_settings const& given) {
  require_utf8(merges);
  tokenizer_settings settings = given;
  settings.kind = tokenizer_kind::roberta;
  json const map = parse_json(vocabulary.text, vocabulary.file);
  return make_by_class(
      make_bpe(parse_ids(json_view(map, vocabulary.file)), parse_merge_lines(merges), vocabulary.file),
      settings, {}, vocabulary.file);
}

tokenizer parse_sentencepiece(std::string_view bytes, std::string const& file,
                              tokenizer_settings const& given) {
  tokenizer_settings settings = given;
  if (settings.kind != tokenizer_kind::camembert) settings.kind = tokenizer_kind::xlm_roberta;
  settings = with_special_names(std::move(settings));
  auto model = parse_sentencepiece_model(bytes, file);
  list_own_tokens(model, settings);
  auto map = model.charsmap.empty() ? nullptr : make_charsmap(model.charsmap, file);
  auto const pieces = fairseq_vocabulary(std::move(model), settings);
  auto const unknown = unknown_of_class(pieces, settings);
  return make_by_class(make_unigram(pieces, unknown, false, file), settings, {}, file, std::move(map));
}

loaded_tokenizer load_tokenizer(std::filesystem::path const& folder) {
  tokenizer_settings settings = load_tokenizer_settings(folder);
  auto const model = read_model_kind(folder);
  settings.kind = choose_kind(folder, settings, model);
  std::string name;
  tokenizer tokens = load_tokens(folder, settings, name);
  auto const& cut = tokens.cut();
  side const cut_side = settings.truncation_side.value_or(cut ? cut->cut : side::right);
  bool const types = settings.gives_type_ids.value_or(class_gives_type_ids(settings, model));
  auto const& pad = tokens.padding_of_file();
  bool const left = settings.padding_side.value_or(pad ? pad->pad : side::right) == side::left;
  loaded_tokenizer loaded{std::move(tokens), settings.max_length, cut_side, types, left, name};
  check_padding(loaded, settings, folder, model.model_type);
  return loaded;
}

}  // namespace yonder::kernels
