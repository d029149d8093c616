#include "data/document_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <thread>

#include "base/rng.h"
#include "base/utf8.h"
#include "data/dataset.h"
#include "tests/store/temporary_folder.h"

namespace panal::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

std::string gzipped(std::string_view text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zstandard(std::string_view text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

std::vector<std::string> texts_of(const ReadReport& report) {
  std::vector<std::string> texts;
  for (const Document& document : report.documents) texts.push_back(document.text);
  return texts;
}

class ReadDocuments : public testing::Test {
 protected:
  fs::path file(const std::string& name, std::string_view bytes) {
    test::write_plain(folder_.path() / name, bytes);
    return folder_.path() / name;
  }
  ReadReport read(const std::string& name, std::string_view bytes,
                  const ReadOptions& options = {}) {
    auto report = read_documents(file(name, bytes), options);
    EXPECT_TRUE(report.ok()) << name << ": " << report.status().message();
    return report.ok() ? std::move(*report) : ReadReport{};
  }
  std::string refusal(const std::string& name, std::string_view bytes,
                      const ReadOptions& options = {}) {
    const auto report = read_documents(file(name, bytes), options);
    EXPECT_FALSE(report.ok()) << name << ": " << report->summary();
    return report.ok() ? "" : report.status().message();
  }
  std::string reason_of(const ReadReport& report, const std::string& name) {
    for (const SkippedFile& file : report.skipped) {
      if (file.path == (folder_.path() / name).string()) return file.reason;
    }
    return "not left out";
  }
  test::TemporaryFolder folder_;
};

TEST_F(ReadDocuments, TakesAFolderInOrderAndNamesWhatItLeftOut) {
  file("b/two.md", "segundo\r\n");
  file("a/one.txt", "primero");
  file("c.png", std::string_view("\x89PNG\0", 5));
  file("d.txt", "");
  file("e.bin", std::string_view("\x01\x02\0", 3));
  file("f.txt",
       "Espa\xF1"
       "a");
  file("g.txt", " \n\n");
  file("h.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n");
  file("i.txt", "\xFF\xFEh\0o\0l\0a\0");
  file(".git/hidden.txt", "hidden");
  const auto report = read_documents(folder_.path());
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_THAT(texts_of(*report), ElementsAre("primero", "segundo\n"));
  EXPECT_EQ(report->num_files, 2);
  EXPECT_EQ(report->skipped.size(), 8U);
  EXPECT_THAT(reason_of(*report, "c.png"), HasSubstr("binary: a PNG picture"));
  EXPECT_THAT(reason_of(*report, "d.txt"), HasSubstr("empty"));
  EXPECT_THAT(reason_of(*report, "e.bin"), HasSubstr("NUL byte at offset 2"));
  EXPECT_THAT(reason_of(*report, "f.txt"), HasSubstr("expected UTF-8 text, found byte 0xf1"));
  EXPECT_THAT(reason_of(*report, "g.txt"), HasSubstr("blank"));
  EXPECT_THAT(reason_of(*report, "h.txt"), HasSubstr("Git LFS pointer"));
  EXPECT_THAT(reason_of(*report, "i.txt"), HasSubstr("UTF-16"));
  EXPECT_THAT(reason_of(*report, ".git"), HasSubstr("hidden"));
  EXPECT_THAT(report->summary(),
              HasSubstr("2 files: 2 text (2 documents), 15 bytes; left out 8: "));
  EXPECT_THAT(report->summary(), HasSubstr(" and 5 more"));
}

TEST_F(ReadDocuments, FollowsLinksAndReadsEachThingOnce) {
  file("set/GPL-3", "licence text");
  file("real/other.txt", "linked text");
  fs::create_symlink("GPL-3", folder_.path() / "set/GPL");
  fs::create_directory_symlink(folder_.path() / "set", folder_.path() / "set/loop");
  fs::create_directory_symlink("../real", folder_.path() / "set/linked");
  fs::create_symlink("nowhere", folder_.path() / "set/broken");
  fs::create_symlink("knot", folder_.path() / "set/knot");
  const auto report = read_documents(folder_.path() / "set").value();
  EXPECT_THAT(texts_of(report), ElementsAre("licence text", "linked text"));
  EXPECT_THAT(reason_of(report, "set/GPL-3"), HasSubstr("the same as"));
  EXPECT_THAT(reason_of(report, "set/loop"), HasSubstr("the same as"));
  EXPECT_THAT(reason_of(report, "set/broken"), HasSubstr("a link to nothing"));
  EXPECT_THAT(reason_of(report, "set/knot"), HasSubstr("Too many levels"));
  EXPECT_EQ(report.skipped.size(), 4U);
  const auto only = folder_.path() / "only";
  fs::create_directories(only);
  fs::create_directory_symlink("../real", only / "linked");
  EXPECT_EQ(read_documents(only).value().documents.size(), 1U);
  const auto twice = read_documents({folder_.path() / "set", folder_.path() / "set/GPL"}).value();
  EXPECT_EQ(twice.documents.size(), 2U);
}

TEST_F(ReadDocuments, TellsJsonByItsContentWhateverItsName) {
  const std::string lines = "{\"text\":\"uno\"}\n\n{\"text\":\"dos\",\"source\":\"web\"}\n";
  for (const char* name : {"x.jsonl", "x.JSONL", "x.ndjson", "x.json", "x.txt", "x"}) {
    const ReadReport report = read(name, lines);
    EXPECT_THAT(texts_of(report), ElementsAre("uno", "dos")) << name;
    ASSERT_EQ(report.kinds.size(), 1U);
    EXPECT_EQ(report.kinds[0].kind, "JSON lines") << name;
    EXPECT_EQ(report.documents[0].source, (folder_.path() / name).string() + ":1");
    EXPECT_EQ(report.documents[1].source, "web");
  }
  const ReadReport array = read("a.json", "[\n {\"text\": \"uno\"},\n {\"text\": \"dos\"}\n]\n");
  EXPECT_EQ(array.kinds[0].kind, "JSON array");
  EXPECT_THAT(texts_of(array), ElementsAre("uno", "dos"));
  EXPECT_THAT(texts_of(read("one.json", "[{\"text\":\"uno\"},{\"text\":\"dos\"}]")),
              ElementsAre("uno", "dos"));
  EXPECT_THAT(texts_of(read("strings.json", "[\"uno\", \"dos\"]")), ElementsAre("uno", "dos"));
  const ReadReport pretty = read("p.json", "{\n \"text\": \"uno\"\n}\n{\n \"text\": \"dos\"\n}\n");
  EXPECT_EQ(pretty.kinds[0].kind, "JSON");
  EXPECT_THAT(texts_of(pretty), ElementsAre("uno", "dos"));
  EXPECT_THAT(texts_of(read("bom.json", "\xEF\xBB\xBF{\"text\":\"uno\"}")), ElementsAre("uno"));
}

TEST_F(ReadDocuments, LeavesProseThatBeginsWithABracketProse) {
  for (const char* text : {"[Illustration: a ship]\n\nChapter 1", "[1] A note.\n[2] Another.",
                           "{ int main() { return 0; } }", "[1]\nThe first note.",
                           "{{Infobox}}\nA town.", "{name} is a placeholder."}) {
    const ReadReport report = read("t.txt", text);
    ASSERT_EQ(report.documents.size(), 1U) << text;
    EXPECT_EQ(report.documents[0].text, text);
  }
}

TEST_F(ReadDocuments, NeverTakesBrokenJsonForProse) {
  EXPECT_THAT(refusal("x.txt", "{\"text\": \"uno\"\n{\"text\": \"dos\"}\n"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("cut.json", "[{\"text\": \"uno\"}, {\"text\": \"do"),
              HasSubstr("never ends"));
  EXPECT_THAT(refusal("comma.json", "[{\"text\": \"uno\"} {\"text\": \"dos\"}]"),
              HasSubstr("expected a comma"));
  EXPECT_THAT(refusal("after.json", "[\n{\"text\": \"uno\"}]\n[1]"), HasSubstr("line 3"));
  EXPECT_THAT(refusal("name.jsonl", "hello there\n"), HasSubstr("its name says .jsonl"));
  EXPECT_THAT(refusal("o.json", "{\"data\": [1, 2],\n \"other\": 3}"),
              HasSubstr("there are: data, other"));
}

TEST_F(ReadDocuments, RefusesBadLinesWithFileAndLine) {
  for (const char* line : {"not json", "{\"txt\":1}", "{\"text\":7}", "[]",
                           "{\"text\":\"a\\u0000b\"}", "{\"text\":\"x\",\"source\":3}"}) {
    EXPECT_THAT(refusal("bad.jsonl", std::string("{\"text\":\"fine\"}\n") + line + "\n"),
                HasSubstr("bad.jsonl, line 2"))
        << line;
  }
  // In a folder what stands before stays, and the rest is named.
  file("good.txt", "good");
  const auto report = read_documents(folder_.path()).value();
  EXPECT_EQ(report.documents.size(), 2U);
  EXPECT_THAT(reason_of(report, "bad.jsonl"), HasSubstr("line 2"));
  EXPECT_THAT(reason_of(report, "bad.jsonl"), HasSubstr("was read: 1 document"));
}

TEST_F(ReadDocuments, CountsRecordsWithoutText) {
  const ReadReport report =
      read("x.jsonl", "{\"text\":\"\"}\n{\"text\":\"uno\"}\n{\"text\":\" \"}");
  EXPECT_EQ(report.documents.size(), 1U);
  EXPECT_THAT(reason_of(report, "x.jsonl"), HasSubstr("2 of 3 records have no text"));
}

TEST_F(ReadDocuments, ReadsTablesByTheirTextColumn) {
  const ReadReport report =
      read("table.csv", "id,text\r\n1,\"hola, \"\"mundo\"\"\r\nfin\"\r\n\r\n2,otra fila\r\n");
  EXPECT_EQ(report.kinds[0].kind, "table");
  EXPECT_THAT(texts_of(report), ElementsAre("hola, \"mundo\"\nfin", "otra fila"));
  EXPECT_EQ(report.documents[1].source, (folder_.path() / "table.csv").string() + ":5");
  EXPECT_THAT(texts_of(read("t.txt", "text\tid\nuno, dos\t1\ntres\t2\n")),
              ElementsAre("uno, dos", "tres"));
  EXPECT_THAT(texts_of(read("s.csv", "id;frase\n1;uno\n", {.text_column = "frase"})),
              ElementsAre("uno"));
  EXPECT_THAT(texts_of(read("one.csv", "text\nuno\n\"dos\ntres\"\n")),
              ElementsAre("uno", "dos\ntres"));
  EXPECT_THAT(texts_of(read("p.txt", "frase|n\nuno|1\n", {.text_column = "frase"})),
              ElementsAre("uno"));
}

TEST_F(ReadDocuments, ListsTheColumnsWhereNoneFits) {
  const std::string none = refusal("t.csv", "id,frase\n1,uno\n");
  EXPECT_THAT(none, HasSubstr("found the columns: id, frase"));
  EXPECT_THAT(none, HasSubstr("--text-column"));
  EXPECT_THAT(refusal("t.csv", "id,frase\n1,uno\n", {.text_column = "texto"}),
              HasSubstr("expected a column \"texto\""));
  EXPECT_THAT(refusal("t.csv", "id,text\n1,uno\n2,dos,tres\n"),
              HasSubstr("line 3: expected 2 fields as in the header, found 3"));
  EXPECT_THAT(refusal("t.csv", "id,text\n1,\"uno\n2,dos\n"), HasSubstr("never ends"));
  EXPECT_THAT(refusal("t.csv", "id,text\n1,\"uno\" dos\n"), HasSubstr("must be written twice"));
}

TEST_F(ReadDocuments, LeavesProseWithCommasProse) {
  for (const char* text : {"In a village, of La Mancha, the name\nof which, I have, no\n",
                           "text, more text and a sentence.\nAnother, line, of three\n",
                           "Dear reader, welcome\nTo this, place\n"}) {
    EXPECT_EQ(read("t.txt", text).documents.at(0).text, text);
  }
}

TEST_F(ReadDocuments, UnpacksGzipAndZstdByTheirContent) {
  const std::string lines = "{\"text\":\"uno\"}\n{\"text\":\"dos\"}\n";
  const ReadReport packed = read("x.jsonl.gz", gzipped(lines));
  EXPECT_THAT(texts_of(packed), ElementsAre("uno", "dos"));
  EXPECT_EQ(packed.kinds[0].kind, "JSON lines (gzip)");
  // Members and frames one after another are one stream, as the tools have it.
  EXPECT_EQ(read("two", gzipped("uno ") + gzipped("dos")).documents.at(0).text, "uno dos");
  EXPECT_EQ(read("two.zst", zstandard("uno ") + zstandard("dos")).documents.at(0).text, "uno dos");
  EXPECT_THAT(texts_of(read("t.csv.zst", zstandard("id,text\n1,uno\n"))), ElementsAre("uno"));
  EXPECT_THAT(refusal("t.gz", gzipped(std::string_view("a\0b", 3))), HasSubstr("binary"));
  EXPECT_THAT(refusal("e.gz", gzipped("")), HasSubstr("empty"));
}

TEST_F(ReadDocuments, SaysWhenPackedDataIsCutOrDamaged) {
  Rng rng(5);
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>('a' + rng.below(26));
  for (const std::string& packed : {gzipped(text), zstandard(text)}) {
    for (const std::size_t length : {packed.size() - 1, packed.size() / 2, std::size_t{20}}) {
      const std::string why = refusal("cut", packed.substr(0, length));
      EXPECT_THAT(why, HasSubstr("damaged")) << length;
    }
  }
  std::string flipped = gzipped(text);
  flipped[flipped.size() - 6] ^= 1;  // Its checksum.
  EXPECT_THAT(refusal("flipped.gz", flipped), HasSubstr("damaged gzip data"));
}

TEST_F(ReadDocuments, RefusesADecompressionBomb) {
  const std::string blank(80 << 20, 'a');
  EXPECT_THAT(refusal("bomb.gz", gzipped(blank)), HasSubstr("bomb"));
  EXPECT_THAT(refusal("bomb.zst", zstandard(blank)), HasSubstr("bomb"));
}

TEST_F(ReadDocuments, ReadsPipesAsFiles) {
  const fs::path pipe = folder_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::jthread writer([&] { test::write_plain(pipe, "{\"text\":\"uno\"}\n{\"text\":\"dos\"}\n"); });
  EXPECT_THAT(texts_of(read_documents(pipe).value()), ElementsAre("uno", "dos"));
  file("a.txt", "text");
  EXPECT_THAT(reason_of(read_documents(folder_.path()).value(), "pipe"), HasSubstr("pipe"));
}

TEST_F(ReadDocuments, ReadsStandardInputOnce) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "hola", 4), 4);
  ::close(ends[1]);
  const int kept = ::dup(STDIN_FILENO);
  ::dup2(ends[0], STDIN_FILENO);
  const auto report = read_documents(std::vector<fs::path>{"-", "-"});
  ::dup2(kept, STDIN_FILENO);
  ::close(kept);
  ::close(ends[0]);
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->documents.size(), 1U);
  EXPECT_EQ(report->documents[0].source, "standard input");
  EXPECT_EQ(report->skipped.size(), 1U);
}

TEST_F(ReadDocuments, RefusesMissingEmptyAndBinaryInput) {
  EXPECT_EQ(read_documents(folder_.path() / "missing").code(), Code::kNotFound);
  EXPECT_THAT(read_documents(folder_.path()).status().message(), HasSubstr("found no text"));
  EXPECT_THAT(refusal("only.bin", std::string(100, '\0')), HasSubstr("NUL byte"));
  EXPECT_THAT(read_documents(folder_.path()).status().message(), HasSubstr("NUL byte"));
  EXPECT_EQ(read_documents(folder_.path() / "only.bin").code(), Code::kInvalidArgument);
  EXPECT_EQ(read_documents("/dev/null").code(), Code::kInvalidArgument);
  EXPECT_THAT(read_documents("/dev/zero").status().message(), HasSubstr("NUL byte"));
  EXPECT_EQ(read_documents(folder_.path(), {.passage_bytes = 7}).code(), Code::kInvalidArgument);
  fs::create_symlink("nowhere", folder_.path() / "broken");
  EXPECT_THAT(read_documents(folder_.path() / "broken").status().message(),
              HasSubstr("a link to nothing"));
  fs::create_symlink("knot", folder_.path() / "knot");
  EXPECT_THAT(read_documents(folder_.path() / "knot").status().message(), HasSubstr("cannot read"));
}

TEST_F(ReadDocuments, HoldsItsSizeBounds) {
  file("big.txt", std::string(5000, 'a'));
  file("small.txt", "small");
  const auto one = read_documents(folder_.path() / "big.txt", {.max_file_bytes = 1000});
  EXPECT_EQ(one.code(), Code::kResourceExhausted);
  const auto skipping = read_documents(folder_.path(), {.max_file_bytes = 1000}).value();
  EXPECT_EQ(skipping.documents.size(), 1U);
  EXPECT_THAT(reason_of(skipping, "big.txt"), HasSubstr("over 1000 bytes"));
  EXPECT_EQ(read_documents(folder_.path(), {.max_total_bytes = 3000}).code(),
            Code::kResourceExhausted);
  EXPECT_EQ(read_documents(folder_.path(), {.max_files = 1}).code(), Code::kResourceExhausted);
  const std::string line = "{\"text\":\"" + std::string(500, 'a') + "\"}";
  for (const std::string& bytes : {line + "\n", "[\n" + line + "]", "{\n" + line.substr(1),
                                   "id,text\n1,\"" + std::string(500, 'a')}) {
    EXPECT_EQ(read_documents(file("long.csv", bytes), {.max_record_bytes = 100}).code(),
              Code::kResourceExhausted)
        << bytes.substr(0, 20);
  }
}

TEST_F(ReadDocuments, EndsAtOnceWhenTheSinkRefuses) {
  file("a.jsonl", "{\"text\":\"uno\"}\n{\"text\":\"dos\"}\n");
  file("b.txt", "tres");
  int taken = 0;
  const auto report = read_documents(std::vector{folder_.path()}, {}, [&](const Document&) {
    return ++taken == 2 ? Status(Code::kResourceExhausted, "the disk is full") : Status();
  });
  EXPECT_EQ(report.status().message(), "the disk is full");
  EXPECT_EQ(taken, 2);
}

// Whatever bytes come, the reader answers with documents or with a sentence.
TEST_F(ReadDocuments, SurvivesTruncatedAndFlippedBytes) {
  const std::string seeds[] = {
      "{\"text\":\"uno\"}\n{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n",
      "[{\"instruction\":\"a\",\"output\":\"b\"},\n{\"text\":\"\\u00e9\"}]",
      "id,text\n1,\"a \"\"b\"\"\"\n2,c\n",
      gzipped("{\"text\":\"uno\"}\n"),
      zstandard("id;text\n1;uno\n"),
      std::string(200, '[') + std::string(200, '{')};
  Rng rng(17);
  for (const std::string& seed : seeds) {
    for (int round = 0; round < 60; ++round) {
      std::string bytes = seed.substr(0, rng.below(seed.size() + 1));
      for (int flips = static_cast<int>(rng.below(4)); flips > 0 && !bytes.empty(); --flips) {
        bytes[rng.below(bytes.size())] ^= static_cast<char>(1 << rng.below(8));
      }
      const auto report = read_documents(file("x", bytes));
      if (report.ok()) {
        for (const Document& document : report->documents) {
          EXPECT_EQ(first_invalid_utf8(document.text), std::string_view::npos) << round;
        }
      } else {
        EXPECT_FALSE(report.status().message().empty()) << round;
      }
    }
  }
}

TEST_F(ReadDocuments, RefusesDeepNestingWithoutDeepRecursion) {
  const std::string deep = std::string(2'000'000, '[') + "{\"text\":1}";
  EXPECT_THAT(refusal("deep.json", deep), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(refusal("deep.jsonl", "{\"text\":" + std::string(100'000, '[') + "\n"),
              HasSubstr("line 1"));
}

TEST_F(ReadDocuments, TakesTheThreeChatFormsInEveryContainer) {
  const std::string openai =
      R"({"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]})";
  const std::string sharegpt =
      R"({"conversations":[{"from":"human","value":"Q"},{"from":"gpt","value":"A"}]})";
  const std::string alpaca = R"({"instruction":"Q","input":"","output":"A","text":"### Q ### A"})";
  const std::string wanted =
      R"({"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]})";
  for (const std::string& record : {openai, sharegpt, alpaca}) {
    for (const std::string& bytes : {record + "\n" + record, "[" + record + ",\n" + record + "]",
                                     gzipped(record + "\n" + record)}) {
      const ReadReport report = read("chat", bytes);
      ASSERT_EQ(report.documents.size(), 2U) << bytes;
      EXPECT_EQ(report.documents[0].conversation, wanted);
      EXPECT_EQ(report.documents[0].text, "Q\n\nA");
      EXPECT_EQ(report.num_conversations, 2);
    }
  }
  const ReadReport table = read("chat.csv", "instruction,input,output\nQ,more,A\n");
  EXPECT_THAT(table.documents.at(0).conversation, HasSubstr("Q\\n\\nmore"));
  const ReadReport cells = read(
      "cells.csv", "id,messages\n1,\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"Q\"\"}]\"\n");
  EXPECT_EQ(cells.documents.at(0).text, "Q");
}

TEST_F(ReadDocuments, KeepsToolsSystemsAndPartsOfAConversation) {
  const ReadReport report = read(
      "x.jsonl",
      R"({"system":"Be brief.","tools":[{"name":"clock"}],"conversations":[)"
      R"({"role":"user","content":[{"type":"text","text":"Time"},{"type":"text","text":"?"}]},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"name":"clock"}]},)"
      R"({"role":"tool","content":"3","tool_call_id":"1"},{"role":"assistant","content":"Three."}]})");
  const Json whole = parse_json(report.documents.at(0).conversation, "test").value();
  ASSERT_EQ(whole.at("messages").size(), 5U);
  EXPECT_EQ(whole.at("messages")[0].at("role"), "system");
  EXPECT_EQ(whole.at("messages")[1].at("content"), "Time?");
  EXPECT_TRUE(whole.at("messages")[2].contains("tool_calls"));
  EXPECT_EQ(whole.at("messages")[3].at("tool_call_id"), "1");
  EXPECT_EQ(whole.at("tools")[0].at("name"), "clock");
}

TEST_F(ReadDocuments, RefusesWhatIsNoConversationWithItsTurn) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"messages":[]})", "a list of turns"},
      {R"({"messages":[{"role":"user"}]})", "turn 1: a turn must say something"},
      {R"({"messages":[{"content":"a"}]})", "who speaks"},
      {R"({"conversations":[{"from":"alien","value":"a"}]})", "found \"alien\""},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})", "text only"},
      {R"({"messages":[{"role":"user","content":7}]})", "must be a string, found 7"},
      {R"({"role":"user","content":"a"})", "without its conversation"},
      {R"({"instruction":"a"})", "must have \"text\", \"messages\""}};
  for (const auto& [record, why] : cases) {
    const std::string found = refusal("x.jsonl", record);
    EXPECT_THAT(found, HasSubstr("x.jsonl, line 1")) << record;
    EXPECT_THAT(found, HasSubstr(why)) << record;
  }
}

// A dataset keeps conversations as conversations, and what it says of special tokens.
TEST_F(ReadDocuments, RoundTripsThroughADataset) {
  std::vector<Document> documents =
      read("x.jsonl",
           "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"source\":\"s\"}\n"
           "{\"text\":\"<|im_start|>\",\"special_tokens\":\"read\",\"source\":\"s\"}\n"
           "{\"text\":\"b\",\"source\":\"s\"}\n")
          .documents;
  EXPECT_TRUE(documents.at(1).reads_special_tokens);
  EXPECT_FALSE(documents.at(2).reads_special_tokens);
  const fs::path path = folder_.path() / "dataset.jsonl";
  ASSERT_TRUE(write_dataset(store::posix_file_system(), path, documents).ok());
  EXPECT_EQ(read_dataset(path).value(), documents);
  EXPECT_EQ(read_documents(path).value().documents, documents);
  const std::string before = dataset_sha256(documents);
  documents[0].conversation += " ";
  EXPECT_NE(dataset_sha256(documents), before);
}

}  // namespace
}  // namespace panal::data
