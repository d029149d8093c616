#include "tokenizer/tokenizer.h"
#include "base/utf8.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <tuple>

#include "tests/store/temporary_folder.h"
#include "tests/tokenizer/tokenizer_golden.h"
#include "tests/weights/weights_files.h"
#include "tokenizer/detail/byte_alphabet.h"
#include "weights/gguf.h"

namespace panal::tokenizer {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

const Tokenizer& smollm2() {
  static const Tokenizer tokenizer =
      std::move(
          Tokenizer::load(fs::path(PANAL_DEPS_DIR) / "models/SmolLM2-135M-Instruct.Q4_1.gguf"))
          .value();
  return tokenizer;
}

void write_file(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

void expect_summary(const Ids& ids, const Json& expected, std::string_view name) {
  EXPECT_EQ(ids.size(), expected.at("count").get<std::size_t>()) << name;
  EXPECT_EQ(digest(ids), expected.at("sha256").get<std::string>()) << name;
}

void expect_text(const std::string& text, const Json& expected, std::string_view name) {
  ASSERT_EQ(text.size(), expected.at("bytes").get<std::size_t>())
      << name << ": the text itself differs";
  if (expected.contains("blocks")) {
    const auto blocks = blocks_of(text);
    ASSERT_EQ(blocks.size(), expected.at("blocks").size());
    int num_shown = 0;
    for (std::size_t i = 0; i < blocks.size() && num_shown < 3; ++i) {
      const Json& block = expected.at("blocks")[i];
      const Ids ids = smollm2().encode(blocks[i]);
      const bool is_equal = ids.size() == block[0].get<std::size_t>() &&
                            digest(ids).substr(0, 12) == block[1].get<std::string>();
      EXPECT_TRUE(is_equal) << name << " block " << i << ": " << ids.size() << " ids, expected "
                            << block[0];
      num_shown += is_equal ? 0 : 1;
    }
  }
  expect_summary(smollm2().encode(text), expected.at("whole"), name);
  expect_summary(smollm2().encode(text, SpecialTokens::kParse), expected.at("whole_special"), name);
}

TEST(Tokenizer, EncodesTheQuijoteWithBomAndCrlfAsHuggingFaceDoes) {
  const Json expected = golden("smollm2.json");
  expect_text(quijote(), expected.at("texts").at("quijote"), "quijote");
}

TEST(Tokenizer, EncodesCodeAsHuggingFaceDoes) {
  const Json expected = golden("smollm2.json");
  expect_text(file_text(fs::path(PANAL_TEST_DIR) / "golden/tokenizer/code_sample.txt"),
              expected.at("texts").at("code"), "code");
}

TEST(Tokenizer, EncodesEmojiScriptsAndControlCharactersAsHuggingFaceDoes) {
  const Json expected = golden("smollm2.json");
  expect_text(mixed_text(7, 60000), expected.at("texts").at("mixed"), "mixed");
}

// Python's bytes.decode("utf-8", "replace") came before the encoding in the golden.
TEST(Tokenizer, ReplacesInvalidUtf8AsPythonDoes) {
  const Json expected = golden("smollm2.json");
  expect_text(mixed_bytes(11, 40000), expected.at("texts").at("bytes"), "bytes");
}

TEST(Tokenizer, ParsesSpecialTokensInShortTexts) {
  const Json expected = golden("smollm2.json");
  for (const Json& item : expected.at("short")) {
    const std::string text = mixed_text(item.at("seed").get<std::uint64_t>(), 12);
    EXPECT_EQ(smollm2().encode(text, SpecialTokens::kParse), item.at("ids").get<Ids>()) << text;
  }
}

TEST(Tokenizer, DecodesAnyIdsAsHuggingFaceDoes) {
  const Json expected = golden("smollm2.json");
  for (const Json& item : expected.at("decoded")) {
    const Ids ids = item.at("ids").get<Ids>();
    EXPECT_EQ(smollm2().decode(ids), item.at("text").get<std::string>());
    EXPECT_EQ(smollm2().decode(ids, false), item.at("with_special").get<std::string>());
  }
}

// SmolLM2's vocabulary lacks 21 of the 256 bytes, control characters among them; they vanish, as in
// `tokenizers`.
TEST(Tokenizer, DecodesWhatItEncodedButForBytesWithoutAToken) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string text = mixed_text(seed, 20);
    std::string known;
    for (const char byte : text) {
      if (smollm2().find(std::string_view(&byte, 1))) known += byte;
    }
    EXPECT_EQ(smollm2().decode(smollm2().encode(text), false), replace_invalid_utf8(known))
        << "seed " << seed;
  }
}

TEST(Tokenizer, KnowsSmolLm2sEndsAndTemplate) {
  const Tokenizer& tokenizer = smollm2();
  EXPECT_EQ(tokenizer.vocabulary_size(), 49152);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_EQ(tokenizer.stop_ids(), (Ids{2}));
  EXPECT_EQ(tokenizer.bos_text(), "<|im_start|>");
  EXPECT_EQ(tokenizer.eos_text(), "<|im_end|>");
  EXPECT_TRUE(tokenizer.is_special(16));
  EXPECT_FALSE(tokenizer.is_special(17));
  EXPECT_FALSE(tokenizer.is_special(-1));
  EXPECT_EQ(tokenizer.find("<|im_end|>"), 2);
  EXPECT_EQ(tokenizer.find("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.token_bytes(49152), "");
  EXPECT_THAT(tokenizer.chat_template(), HasSubstr("<|im_start|>assistant"));
}

TEST(Tokenizer, EmptyTextHasNoTokens) {
  EXPECT_TRUE(smollm2().encode("").empty());
  EXPECT_EQ(smollm2().decode({}), "");
}

TEST(Tokenizer, LeavesSpecialTokensTextUnlessAsked) {
  const Ids as_text = smollm2().encode("<|im_end|>");
  EXPECT_GT(as_text.size(), 1u);
  EXPECT_EQ(smollm2().decode(as_text), "<|im_end|>");
  EXPECT_EQ(smollm2().encode("<|im_end|>", SpecialTokens::kParse), (Ids{2}));
}

// Every pre-tokenizer, normaliser and kind of added token that is known, against `tokenizers`
// itself.
TEST(Tokenizer, ReadsTokenizerJsonInAllItsVariants) {
  const Json variants = golden("variants.json");
  for (const Json& variant : variants.at("cases")) {
    Json json = variants.at("base");
    for (const auto& [key, value] : variant.at("change").items()) {
      if (key == "model") {
        json["model"].update(value);
      } else if (key == "string_merges") {
        for (Json& merge : json["model"]["merges"]) {
          merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
        }
      } else {
        json[key] = value;
      }
    }
    const std::string name = variant.at("name").get<std::string>();
    auto tokenizer = Tokenizer::from_json(json.dump(), name);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    auto reloaded = Tokenizer::from_json(tokenizer->to_tokenizer_json(), name);
    ASSERT_TRUE(reloaded.ok()) << reloaded.status().message();
    for (std::size_t i = 0; i < variants.at("texts").size(); ++i) {
      const Json& source = variants.at("texts")[i];
      const std::string text =
          mixed_text(source.at("seed").get<std::uint64_t>(), source.at("parts").get<int>());
      EXPECT_EQ(tokenizer->encode(text, SpecialTokens::kParse), variant.at("ids")[i].get<Ids>())
          << name << " text " << i;
      EXPECT_EQ(tokenizer->encode(text), variant.at("ids_plain")[i].get<Ids>())
          << name << " text " << i;
      EXPECT_EQ(reloaded->encode(text, SpecialTokens::kParse), variant.at("ids")[i].get<Ids>())
          << name << " saved, text " << i;
    }
  }
}

TEST(Tokenizer, SavesAFolderThatLoadsTheSame) {
  const TemporaryFolder folder;
  ASSERT_TRUE(smollm2().save(folder.path()).ok());
  auto loaded = Tokenizer::load(folder.path());
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const std::string text = mixed_text(99, 3000);
  EXPECT_EQ(loaded->encode(text), smollm2().encode(text));
  EXPECT_EQ(loaded->encode(text, SpecialTokens::kParse),
            smollm2().encode(text, SpecialTokens::kParse));
  EXPECT_EQ(loaded->eos_id(), smollm2().eos_id());
  EXPECT_EQ(loaded->stop_ids(), smollm2().stop_ids());
  EXPECT_EQ(loaded->chat_template(), smollm2().chat_template());
  EXPECT_EQ(loaded->vocabulary_size(), smollm2().vocabulary_size());
}

TEST(Tokenizer, ReadsTheSmallFilesOfAModelFolder) {
  const TemporaryFolder folder;
  ASSERT_TRUE(smollm2().save(folder.path()).ok());
  write_file(folder.path() / "tokenizer_config.json",
             R"({"bos_token":{"content":"<|im_start|>"},"eos_token":"<|endoftext|>",
                 "chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]})");
  write_file(folder.path() / "generation_config.json", R"({"eos_token_id":[0,2,5]})");
  auto loaded = Tokenizer::load(folder.path());
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->bos_id(), 1);
  EXPECT_EQ(loaded->eos_id(), 0);
  EXPECT_EQ(loaded->stop_ids(), (Ids{0, 2, 5}));
  EXPECT_EQ(loaded->chat_template(), "d");
  write_file(folder.path() / "config.json", R"({"eos_token_id":[7,-1]})");
  EXPECT_EQ(Tokenizer::load(folder.path())->stop_ids(), (Ids{0, 2, 5, 7}));
  write_file(folder.path() / "chat_template.jinja", "from its own file");
  EXPECT_EQ(Tokenizer::load(folder.path())->chat_template(), "from its own file");
}

TEST(Tokenizer, IsSafeFromSeveralThreads) {
  const std::string text = mixed_text(4, 20000);
  const Ids expected = smollm2().encode(text);
  std::vector<Ids> found(4);
  {
    std::vector<std::jthread> threads;
    for (Ids& ids : found) threads.emplace_back([&] { ids = smollm2().encode(text); });
  }
  for (const Ids& ids : found) EXPECT_EQ(ids, expected);
}

TEST(Tokenizer, OneGiantWordTakesNoGiantTime) {
  const std::string word(1'000'000, 'a');
  const Ids ids = smollm2().encode(word);
  EXPECT_EQ(smollm2().decode(ids), word);
  EXPECT_LT(ids.size(), word.size() / 2);
}

TEST(Tokenizer, SaysHowToGetAFileThatIsAGitLfsPointer) {
  const TemporaryFolder folder;
  ASSERT_TRUE(smollm2().save(folder.path()).ok());
  write_file(folder.path() / "tokenizer.json",
             "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 2104556\n");
  EXPECT_THAT(Tokenizer::load(folder.path()).status().message(),
              testing::AllOf(HasSubstr("tokenizer.json"), HasSubstr("git lfs pull")));
}

Status status_of(std::string_view json) { return Tokenizer::from_json(json, "t.json").status(); }

TEST(Tokenizer, NamesWhatItCannotRead) {
  const auto with = [](std::string_view key, std::string_view value) {
    Json json = golden("variants.json").at("base");
    json[std::string(key)] = Json::parse(value);
    return status_of(json.dump());
  };
  EXPECT_EQ(status_of("{\"model\":").code(), Code::kInvalidArgument);
  EXPECT_THAT(status_of("[]").message(), HasSubstr("t.json"));
  EXPECT_THAT(status_of("{}").message(), HasSubstr("\"model\""));
  EXPECT_EQ(with("model", R"({"type":"Unigram","vocab":[]})").code(), Code::kUnsupported);
  EXPECT_THAT(with("pre_tokenizer", R"({"type":"Metaspace"})").message(), HasSubstr("Metaspace"));
  EXPECT_EQ(with("pre_tokenizer", "null").code(), Code::kUnsupported);
  EXPECT_THAT(with("normalizer", R"({"type":"BertNormalizer"})").message(),
              HasSubstr("BertNormalizer"));
  EXPECT_EQ(with("decoder", R"({"type":"Metaspace"})").code(), Code::kUnsupported);
  EXPECT_EQ(with("pre_tokenizer", R"({"type":"Sequence","pretokenizers":[{"type":"Split",
      "pattern":{"Regex":"(unclosed"},"behavior":"Isolated"},{"type":"ByteLevel"}]})")
                .code(),
            Code::kUnsupported);
  EXPECT_THAT(with("added_tokens", R"([{"id":4000000000,"content":"x"}])").message(),
              HasSubstr("token id"));
  EXPECT_THAT(with("added_tokens", R"([{"id":0,"content":"xyzzy"}])").message(),
              HasSubstr("clash"));
  EXPECT_THAT(with("model", R"({"type":"BPE","vocab":{"a":0},"merges":["a b"]})").message(),
              HasSubstr("merge 0"));
  EXPECT_THAT(with("model", R"({"type":"BPE","vocab":{"a":0,"b":0},"merges":[]})").message(),
              HasSubstr("id 0"));
  EXPECT_EQ(Tokenizer::load("/no/such/folder").code(), Code::kNotFound);
  const TemporaryFolder folder;
  EXPECT_EQ(Tokenizer::load(folder.path()).code(), Code::kNotFound);
  write_file(folder.path() / "tokenizer.model", "x");
  EXPECT_EQ(Tokenizer::load(folder.path()).code(), Code::kUnsupported);
}

// A small GGUF file with a tokenizer and no tensors.
std::string gguf_with(std::string_view model, std::string_view pre) {
  std::string out = "GGUF";
  const auto number = [&](std::uint64_t value, int num_bytes) {
    for (int i = 0; i < num_bytes; ++i) out += char((value >> (8 * i)) & 0xFF);
  };
  const auto text = [&](std::string_view value) {
    number(value.size(), 8);
    out += value;
  };
  const auto text_entry = [&](std::string_view key, std::string_view value) {
    text(key);
    number(8, 4);
    text(value);
  };
  const auto texts_entry = [&](std::string_view key, const std::vector<std::string>& values) {
    text(key);
    number(9, 4);
    number(8, 4);
    number(values.size(), 8);
    for (const std::string& value : values) text(value);
  };
  number(3, 4);
  number(0, 8);
  number(5, 8);
  text_entry("general.architecture", "llama");
  text_entry("tokenizer.ggml.model", model);
  text_entry("tokenizer.ggml.pre", pre);
  texts_entry("tokenizer.ggml.tokens", {"a", "b", "ab", "1", "11"});
  texts_entry("tokenizer.ggml.merges", {"a b", "1 1"});
  return out;
}

Result<Tokenizer> load_gguf(std::string_view model, std::string_view pre) {
  const TemporaryFolder folder;
  write_file(folder.path() / "model.gguf", gguf_with(model, pre));
  return Tokenizer::load(folder.path());
}

TEST(Tokenizer, FollowsTheNameOfThePreTokenizerInGguf) {
  EXPECT_EQ(load_gguf("gpt2", "gpt-2")->encode("ab111"), (Ids{2, 4, 3}));
  EXPECT_EQ(load_gguf("gpt2", "smollm")->encode("ab111"), (Ids{2, 3, 3, 3}));
  EXPECT_EQ(load_gguf("gpt2", "llama-bpe")->encode("ab1111"), (Ids{2, 4, 3, 3}));
  EXPECT_EQ(load_gguf("gpt2", "qwen2")->encode("ab11"), (Ids{2, 3, 3}));
  const Status unknown = load_gguf("gpt2", "klingon").status();
  EXPECT_EQ(unknown.code(), Code::kUnsupported);
  EXPECT_THAT(unknown.message(), HasSubstr("klingon"));
  EXPECT_THAT(unknown.message(), HasSubstr("smollm"));
  const Status sentence_piece = load_gguf("llama", "default").status();
  EXPECT_EQ(sentence_piece.code(), Code::kUnsupported);
  EXPECT_THAT(sentence_piece.message(), HasSubstr("SentencePiece"));
}

// Truncated and flipped files give an error or a tokenizer that works, never a crash.
TEST(Tokenizer, SurvivesMutatedFiles) {
  Json json = golden("variants.json").at("base");
  json["added_tokens"] =
      Json::parse(R"([{"id":700,"content":"<s>","special":true,"lstrip":true}])");
  json["normalizer"] =
      Json::parse(R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]})");
  Json& vocabulary = json["model"]["vocab"];
  // A shorter vocabulary lets more of the flips hit the structure.
  Json small = Json::object();
  for (const auto& [token, id] : vocabulary.items()) {
    if (id.get<int>() < 300) small[token] = id;
  }
  vocabulary = small;
  json["model"]["merges"].get_ref<Json::array_t&>().resize(44);
  const std::string whole = json.dump();
  ASSERT_TRUE(status_of(whole).ok()) << status_of(whole).message();
  SplitMix random(2024);
  int num_loaded = 0;
  for (int i = 0; i < 600; ++i) {
    std::string mutated = whole;
    if (i % 3 == 0) mutated.resize(random.below(whole.size()));
    for (std::uint64_t flips = random.below(4); flips > 0 && !mutated.empty(); --flips) {
      mutated[random.below(mutated.size())] ^= char(1 << random.below(8));
    }
    auto tokenizer = Tokenizer::from_json(mutated, "mutated");
    if (!tokenizer.ok()) {
      EXPECT_FALSE(tokenizer.status().message().empty());
      continue;
    }
    ++num_loaded;
    EXPECT_TRUE(is_valid_utf8(tokenizer->decode(tokenizer->encode("Hola <s> 12\n"))));
  }
  EXPECT_GT(num_loaded, 20);
}

TEST(StreamDecoder, PiecesJoinToTheWholeTextAndAreWholeCharacters) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SplitMix random(seed);
    Ids ids = smollm2().encode(mixed_text(seed, 20));
    for (int i = 0; i < 5; ++i) ids.push_back(std::int32_t(random.below(49152)));
    StreamDecoder decoder(smollm2());
    std::string joined;
    for (const std::int32_t id : ids) {
      const std::string piece = decoder.push(id);
      EXPECT_TRUE(is_valid_utf8(piece));
      joined += piece;
    }
    EXPECT_EQ(joined + decoder.finish(), smollm2().decode(ids)) << "seed " << seed;
  }
}

TEST(StreamDecoder, HoldsACharacterBackUntilItIsWhole) {
  const Ids ids =
      smollm2().encode("\xF0\x9F\xA6\x91");  // A squid, rare enough to take several tokens.
  ASSERT_GT(ids.size(), 1u);
  StreamDecoder decoder(smollm2());
  EXPECT_EQ(decoder.push(ids[0]), "");
  EXPECT_EQ(decoder.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.finish(), "");
}

// Against transformers' AutoTokenizer over folders with every kind of post-processor and flag.
TEST(Prompts, ComeWithTheTokensThatTheModelsOwnTokenizerAdds) {
  const Json prompts = golden("prompts.json");
  const Json base = golden("variants.json").at("base");
  for (const Json& item : prompts.at("cases")) {
    Json json = base;
    json["added_tokens"] = prompts.at("added_tokens");
    json["post_processor"] = item.at("post_processor");
    const std::string name = item.at("name").get<std::string>();
    const auto tokenizer = Tokenizer::from_json(json.dump(), name, item.at("config").dump());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    const auto saved = Tokenizer::from_json(tokenizer->to_tokenizer_json(), name,
                                            tokenizer->to_tokenizer_config_json());
    ASSERT_TRUE(saved.ok()) << saved.status().message();
    for (std::size_t i = 0; i < prompts.at("texts").size(); ++i) {
      const std::string text = prompts.at("texts")[i].get<std::string>();
      const Ids bare = item.at("ids_bare")[i].get<Ids>();
      EXPECT_EQ(tokenizer->encode_prompt(text, {.adds_special_tokens = false}), bare) << name;
      // A prompt that brings its own BOS gets no second one; there alone we differ.
      const Ids& prefix = tokenizer->prompt_prefix();
      if (!prefix.empty() && text.starts_with("<s>")) continue;
      EXPECT_EQ(tokenizer->encode_prompt(text), item.at("ids")[i].get<Ids>())
          << name << ": " << text;
      EXPECT_EQ(saved->encode_prompt(text), item.at("ids")[i].get<Ids>()) << name << ", saved";
    }
  }
}

TEST(Prompts, ReadSpecialTokensAndAddThemUnlessToldNot) {
  Json json = golden("variants.json").at("base");
  const Json prompts = golden("prompts.json");
  json["added_tokens"] = prompts.at("added_tokens");
  const auto tokenizer =
      Tokenizer::from_json(json.dump(), "x", R"({"bos_token":"<s>","add_bos_token":true})").value();
  const std::int32_t bos = tokenizer.find("<s>").value();
  const Ids plain = tokenizer.encode("hola");
  Ids with_bos = plain;
  with_bos.insert(with_bos.begin(), bos);
  EXPECT_EQ(tokenizer.encode_prompt("hola"), with_bos);
  EXPECT_EQ(tokenizer.encode_prompt("<s>hola"), with_bos);  // Not twice.
  const PromptOptions none = prompt_options("none").value();
  EXPECT_EQ(tokenizer.encode_prompt("hola", none), plain);
  EXPECT_EQ(tokenizer.encode_prompt("<s>hola", none), tokenizer.encode("<s>hola"));
  EXPECT_EQ(prompt_options("some").code(), Code::kInvalidArgument);
}

// A GGUF file of a tokenizer of bytes, with a BOS (256) and an EOS (257).
std::string tokenizer_gguf(std::string_view pre, std::optional<bool> adds_bos,
                           std::optional<bool> adds_eos) {
  constexpr std::uint32_t kUint32 = 4, kInt32 = 5, kBool = 7, kString = 8, kArray = 9;
  const std::uint64_t num_flags = (adds_bos ? 1 : 0) + (adds_eos ? 1 : 0);
  weights::ByteBuilder file;
  file.raw("GGUF").add<std::uint32_t>(3).add<std::uint64_t>(0).add<std::uint64_t>(7 + num_flags);
  file.text("tokenizer.ggml.model").add(kString).text("gpt2");
  file.text("tokenizer.ggml.pre").add(kString).text(pre);
  file.text("tokenizer.ggml.tokens").add(kArray).add(kString).add<std::uint64_t>(258);
  for (int byte = 0; byte < 256; ++byte) {
    file.text(detail::to_alphabet(std::string(1, static_cast<char>(byte))));
  }
  file.text("<s>").text("</s>");
  file.text("tokenizer.ggml.token_type").add(kArray).add(kInt32).add<std::uint64_t>(258);
  for (int id = 0; id < 258; ++id) file.add<std::int32_t>(id < 256 ? 1 : 3);
  file.text("tokenizer.ggml.merges").add(kArray).add(kString).add<std::uint64_t>(0);
  file.text("tokenizer.ggml.bos_token_id").add(kUint32).add<std::uint32_t>(256);
  file.text("tokenizer.ggml.eos_token_id").add(kUint32).add<std::uint32_t>(257);
  const auto flag = [&](std::string_view name, bool value) {
    file.text(name).add(kBool).add<std::uint8_t>(value ? 1 : 0);
  };
  if (adds_bos) flag("tokenizer.ggml.add_bos_token", *adds_bos);
  if (adds_eos) flag("tokenizer.ggml.add_eos_token", *adds_eos);
  return file.pad(32).bytes();
}

TEST(Prompts, ComeWithWhatAGgufFileSays) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "t.gguf";
  const Ids plain = {'h', 'i'}, with_bos = {256, 'h', 'i'}, with_both = {256, 'h', 'i', 257};
  const std::tuple<const char*, std::optional<bool>, std::optional<bool>, Ids> cases[] = {
      {"gpt-2", {}, {}, plain},        {"gpt-2", false, {}, plain},
      {"gpt-2", true, {}, with_bos},   {"gpt-2", true, true, with_both},
      {"llama-bpe", {}, {}, with_bos}, {"llama-bpe", false, {}, plain}};
  for (const auto& [pre, adds_bos, adds_eos, wanted] : cases) {
    write_file(path, tokenizer_gguf(pre, adds_bos, adds_eos));
    const auto loaded = Tokenizer::load(path);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_EQ(loaded->encode_prompt("hi"), wanted) << pre;
    // What is exported says the same.
    const TemporaryFolder exported;
    ASSERT_TRUE(loaded->save(exported.path()).ok());
    EXPECT_EQ(Tokenizer::load(exported.path())->encode_prompt("hi"), wanted) << pre;
  }
}

TEST(Prompts, PostProcessorsThatAreNotAsWrittenAreRefused) {
  Json json = golden("variants.json").at("base");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"type":"Strange"})", "\"Strange\""},
      {R"({"type":"TemplateProcessing"})", "\"single\" must be a list"},
      {R"({"type":"TemplateProcessing","single":[]})", "leaves out the text"},
      {R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}}]})", "lacks \"a\""},
      {R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}}],
           "special_tokens":{"a":{"ids":[99999999]}}})",
       "no token"},
      {R"({"type":"RobertaProcessing","cls":["a",0]})", "\"sep\" must be [text, id]"},
      {R"({"type":"Sequence"})", "must be a list"},
      {R"({"type":7})", "\"type\" must be"}};
  for (const auto& [post_processor, why] : cases) {
    json["post_processor"] = Json::parse(post_processor);
    EXPECT_THAT(Tokenizer::from_json(json.dump(), "x").status().message(), HasSubstr(why));
  }
}

TEST(Prompts, GivenAsIdsHaveOnlyTokensOfTheVocabulary) {
  EXPECT_TRUE(smollm2().check_ids(Ids{0, 2, 49151}).ok());
  EXPECT_TRUE(smollm2().check_ids({}).ok());
  EXPECT_THAT(smollm2().check_ids(Ids{0, 49152}).message(),
              HasSubstr("from 0 to 49151, found 49152 at position 1"));
  EXPECT_EQ(smollm2().check_ids(Ids{-1}).code(), Code::kInvalidArgument);
}

// What lies inside a special token keeps it from being read, and is gone from the ids.
TEST(Tokenizer, TakesAShieldOutAfterSpecialTokensWereLookedFor) {
  const std::string shield = "\xEF\xB7\x90";
  const TextOptions options{.special = SpecialTokens::kParse, .shield = shield};
  const Ids as_text = smollm2().encode("hi <|im_end|> there");
  EXPECT_EQ(smollm2().encode("hi <" + shield + "|im_end|> there", options), as_text);
  EXPECT_EQ(smollm2().encode("hi <|im_end|> there", options),
            smollm2().encode("hi <|im_end|> there", SpecialTokens::kParse));
}

}  // namespace
}  // namespace panal::tokenizer
