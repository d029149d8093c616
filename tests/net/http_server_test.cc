#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "net/http_client.h"
#include "tests/net/raw_peer.h"
#include "tests/store/temporary_folder.h"

namespace panal::net {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const HttpHeaders kPlain = {{"Content-Type", "text/plain"}};

using Writer = std::shared_ptr<ResponseWriter>;

void echo(const HttpRequest& request, const Writer& writer) {
  writer->send(200, kPlain, request.method + " " + request.path + " " + request.body);
}

std::unique_ptr<HttpServer> serve(HttpHandler handler, HttpServerOptions options = {}) {
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::start(std::move(options), std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status().message();
  return std::move(server).value();
}

// Counts what a test waits for; every wait has a deadline.
class Signal {
 public:
  void raise() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool wait(int count = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

bool wait_for_stop(std::stop_token token) {
  Signal signal;
  const std::stop_callback on_stop(token, [&] { signal.raise(); });
  return signal.wait();
}

// What a handler tells the test, or nothing when it does not in time.
template <typename T>
std::optional<T> told(std::promise<T>& promise) {
  auto future = promise.get_future();
  if (future.wait_for(kPatience) != std::future_status::ready) return std::nullopt;
  return future.get();
}

std::size_t num_threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

TEST(HttpServer, AnswersThirtyTwoClientsAtOnceWithoutMixingTheirAnswers) {
  const auto server = serve(echo);
  std::atomic<int> num_right = 0;
  std::vector<std::jthread> clients;
  for (int client = 0; client < 32; ++client) {
    clients.emplace_back([&, client] {
      const HttpClient http(server->endpoint());
      for (int i = 0; i < 50; ++i) {
        const std::string body = std::to_string(client) + "-" + std::to_string(i);
        const auto answer =
            http.request({.method = "POST", .target = "/e", .headers = {}, .body = body});
        if (answer.ok() && answer->status == 200 && answer->body == "POST /e " + body) ++num_right;
      }
    });
  }
  clients.clear();
  EXPECT_EQ(num_right, 32 * 50);
}

TEST(HttpServer, KeepsAConnectionAndAnswersRequestsSentEarlyInOrder) {
  const auto server = serve(echo);
  RawPeer peer(server->port());
  peer.send(
      "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two%20b?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /three HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
  const std::string text = peer.read_all();
  const auto one = text.find("GET /one ");
  const auto two = text.find("GET /two b ");
  const auto three = text.find("POST /three abc");
  ASSERT_NE(three, std::string::npos) << text;
  EXPECT_LT(one, two);
  EXPECT_LT(two, three);
}

// The second request arrives while the first is being answered, when the connection waits only for
// a close.
TEST(HttpServer, AnswersARequestThatArrivedDuringTheOneBefore) {
  Signal first_is_running;
  Signal go_on;
  const auto server = serve([&](const HttpRequest& request, const Writer& writer) {
    if (request.path == "/slow") {
      first_is_running.raise();
      EXPECT_TRUE(go_on.wait());
    }
    echo(request, writer);
  });
  RawPeer peer(server->port());
  peer.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(first_is_running.wait());
  peer.send("GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  go_on.raise();
  EXPECT_THAT(peer.read_all(), HasSubstr("GET /next"));
}

TEST(HttpServer, AnswersHeadWithTheLengthAndWithoutTheBody) {
  const auto server = serve(echo);
  RawPeer peer(server->port());
  peer.send("HEAD /h HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string text = peer.read_all();
  EXPECT_THAT(text, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(text, ::testing::EndsWith("\r\n\r\n"));
}

TEST(HttpServer, InvitesABodyThatTheClientHoldsBack) {
  const auto server = serve(echo);
  RawPeer peer(server->port());
  peer.send("POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_THAT(peer.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue"));
  peer.send("hi");
  EXPECT_THAT(peer.read_until("POST /p hi"), HasSubstr("200 OK"));
}

TEST(HttpServer, StreamsChunksToNewPeersAndPlainBytesToOldOnes) {
  const auto server = serve([](const HttpRequest&, const Writer& writer) {
    EXPECT_TRUE(writer->begin(200, kPlain));
    EXPECT_TRUE(writer->write("one,"));
    EXPECT_TRUE(writer->write(""));
    EXPECT_TRUE(writer->write("two"));
    EXPECT_TRUE(writer->end());
  });
  const auto answer = HttpClient(server->endpoint()).request({});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->body, "one,two");
  RawPeer old_peer(server->port());
  old_peer.send("GET / HTTP/1.0\r\n\r\n");
  const std::string text = old_peer.read_all();
  EXPECT_THAT(text, ::testing::EndsWith("\r\n\r\none,two"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("chunked")));
}

// What a handler puts into a header must not become a header or an answer of its own.
TEST(HttpServer, KeepsLineEndsOutOfHeaders) {
  const auto server = serve([](const HttpRequest&, const Writer& writer) {
    writer->send(200, {{"X-Route", "a\r\nX-Evil: 1"}, {"bad name", "1"}, {"Content-Length", "99"}},
                 "ok");
  });
  const auto answer = HttpClient(server->endpoint()).request({});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->header("x-route"), "a  X-Evil: 1");
  EXPECT_EQ(answer->header("X-Evil"), std::nullopt);
  EXPECT_EQ(answer->body, "ok");
}

TEST(HttpServer, TellsAWritingHandlerThatItsClientLeft) {
  std::promise<bool> saw_it;
  const auto server = serve([&](const HttpRequest&, const Writer& writer) {
    writer->begin(200, kPlain);
    const std::string piece(1000, 'x');
    while (writer->write(piece) && writer->wait_for_room()) {
    }
    saw_it.set_value(writer->client_gone().stop_requested());
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  peer.read_until("xxx");
  peer.leave();
  EXPECT_EQ(told(saw_it), true);
}

TEST(HttpServer, TellsASilentHandlerThatItsClientLeft) {
  Signal is_running;
  std::promise<bool> saw_it;
  const auto server = serve([&](const HttpRequest&, const Writer& writer) {
    is_running.raise();
    saw_it.set_value(wait_for_stop(writer->client_gone()));
    EXPECT_FALSE(writer->send(200, kPlain, "nobody reads this"));
  });
  RawPeer peer(server->port());
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(is_running.wait());
  peer.leave();
  EXPECT_EQ(told(saw_it), true);
}

// An answer waits for whoever writes it, not in a thread.
TEST(HttpServer, KeepsAThousandIdleStreamsWithoutAThreadEach) {
  constexpr std::size_t kNumStreams = 1000;
  std::mutex mutex;
  std::vector<Writer> writers;  // Guarded by mutex.
  Signal opened;
  const auto server = serve(
      [&](const HttpRequest&, const Writer& writer) {
        writer->begin(200, {{"Content-Type", "text/event-stream"}});
        const std::lock_guard lock(mutex);
        writers.push_back(writer);
        opened.raise();
      },
      {.max_handler_threads = 4});
  const std::size_t num_before = num_threads();
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (std::size_t i = 0; i < kNumStreams; ++i) {
    peers.push_back(std::make_unique<RawPeer>(server->port()));
    ASSERT_TRUE(peers.back()->send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  }
  ASSERT_TRUE(opened.wait(kNumStreams));
  EXPECT_LE(num_threads(), num_before + 4);
  EXPECT_EQ(server->num_connections(), kNumStreams);
  for (std::size_t i = 0; i < kNumStreams; ++i) {
    writers[i]->write("data: " + std::to_string(i) + "\n\n");
    EXPECT_TRUE(writers[i]->end());
  }
  std::set<std::string> answers;
  for (const auto& peer : peers) answers.insert(peer->read_until("0\r\n\r\n"));
  EXPECT_EQ(answers.size(), kNumStreams);
  for (const std::string& answer : answers) EXPECT_THAT(answer, HasSubstr("data: "));
}

TEST(HttpServer, AnswersAPeerThatSaidItHasNothingMoreToSend) {
  Signal is_running;
  Signal go_on;
  const auto server = serve([&](const HttpRequest& request, const Writer& writer) {
    is_running.raise();
    EXPECT_TRUE(go_on.wait());
    if (request.path != "/stream") return echo(request, writer);
    writer->begin(200, kPlain);
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(writer->write("piece "));
    writer->end();
  });
  int num_peers = 0;
  for (const std::string_view request :
       {"GET /e HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
        "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "GET /e HTTP/1.0\r\n\r\n"}) {
    RawPeer peer(server->port());
    peer.send(request);
    ASSERT_TRUE(is_running.wait(++num_peers));
    peer.end_sending();
    go_on.raise();
    const std::string answer = peer.read_all();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 ")) << request;
    EXPECT_TRUE(answer.ends_with(request.find("/stream") == std::string::npos ? "/e " : "\r\n") ||
                answer.ends_with("hi"))
        << answer;
  }
}

TEST(HttpServer, AnswersEverythingSentBeforeTheEnd) {
  const auto server = serve(echo);
  RawPeer peer(server->port());
  peer.send("GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n");
  peer.end_sending();
  const std::string text = peer.read_all();
  EXPECT_THAT(text, HasSubstr("GET /one "));
  EXPECT_THAT(text, HasSubstr("GET /two "));
}

// The unix socket's other end says at once that it is closed; on TCP the process behind it is
// looked for.
TEST(HttpServer, TellsPeersThatLeftFromThoseThatOnlyEndedSending) {
  const test::TemporaryFolder folder;
  for (const std::string& path : {std::string(), (folder / "s").string()}) {
    Signal is_running;
    std::promise<bool> saw_it;
    const auto server = serve(
        [&](const HttpRequest&, const Writer& writer) {
          is_running.raise();
          saw_it.set_value(wait_for_stop(writer->client_gone()));
        },
        {.unix_path = path});
    RawPeer peer = path.empty() ? RawPeer(server->port()) : RawPeer(path);
    peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(is_running.wait());
    peer.end_sending();
    peer.leave();
    auto outcome = saw_it.get_future();
    ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
    EXPECT_TRUE(outcome.get());
  }
}

TEST(HttpServer, GivesUpOnAPeerThatLetsMoreWaitThanTheBound) {
  std::promise<std::size_t> written;
  const auto server = serve(
      [&](const HttpRequest&, const Writer& writer) {
        writer->begin(200, kPlain);
        const std::string piece(64 * 1024, 'x');
        std::size_t num_bytes = 0;
        while (writer->write(piece)) num_bytes += piece.size();
        EXPECT_TRUE(writer->client_gone().stop_requested());
        EXPECT_TRUE(writer->has_room() || !writer->wait_for_room());
        written.set_value(num_bytes);
      },
      {.max_outgoing_bytes = 1024 * 1024});
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_LT(told(written).value(), 64u << 20);  // The kernel's buffers take some megabytes.
}

// A producer without a thread of its own: each call back brings the next pieces.
TEST(HttpServer, CallsAWriterBackWhenThereIsRoom) {
  struct Producer : std::enable_shared_from_this<Producer> {
    explicit Producer(Writer to) : writer(std::move(to)) {}
    void produce() {
      while (num_left > 0 && writer->has_room()) {
        --num_left;
        writer->write(std::string(10'000, 'z'));
      }
      if (num_left == 0) {
        writer->end();
      } else {
        writer->when_room([self = shared_from_this()] { self->produce(); });
      }
    }
    Writer writer;
    int num_left = 2000;
  };
  const auto server = serve([](const HttpRequest&, const Writer& writer) {
    writer->begin(200, kPlain);
    std::make_shared<Producer>(writer)->produce();
  });
  const auto answer = HttpClient(server->endpoint()).request({});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->body.size(), 20'000'000u);
}

TEST(HttpServer, KeepsWritersThatOutliveItHarmless) {
  Writer kept;
  Signal has_it;
  auto server = serve([&](const HttpRequest&, const Writer& writer) {
    writer->begin(200, kPlain);
    kept = writer;
    has_it.raise();
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(has_it.wait());
  server->stop(milliseconds(0));
  EXPECT_TRUE(kept->client_gone().stop_requested());
  server = nullptr;
  EXPECT_FALSE(kept->write("nobody reads this"));
  EXPECT_FALSE(kept->end());
}

TEST(HttpServer, FillsTheSilenceOfAStreamUntilItEnds) {
  Writer kept;
  Signal begun;
  const auto server = serve([&](const HttpRequest&, const Writer& writer) {
    EXPECT_TRUE(writer->begin(200, kPlain));
    writer->fill_silence(milliseconds(1), ": ping\n\n");
    kept = writer;
    begun.raise();
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(begun.wait());
  peer.read_until(": ping\n\n");
  peer.read_until(": ping\n\n");
  kept->fill_silence(milliseconds(0), "");
  kept->write("the end");
  kept->end();
  const std::string rest = peer.read_all();
  EXPECT_THAT(rest, HasSubstr("\r\nthe end\r\n"));
  EXPECT_THAT(rest, ::testing::EndsWith("0\r\n\r\n"));
}

// While nothing else is written, the filler is what notices a peer that left.
TEST(HttpServer, NoticesInTheSilenceThatThePeerIsGone) {
  std::promise<bool> saw_it;
  const auto server = serve([&](const HttpRequest&, const Writer& writer) {
    writer->begin(200, kPlain);
    writer->fill_silence(milliseconds(1), ": ping\n\n");
    saw_it.set_value(wait_for_stop(writer->client_gone()));
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  peer.read_until(": ping");
  peer.leave();
  EXPECT_EQ(told(saw_it), true);
}

// A peer that reads nothing costs one buffer, then its handler is released.
TEST(HttpServer, GivesUpOnAPeerThatReadsNothing) {
  std::promise<std::size_t> written;
  const auto server = serve(
      [&](const HttpRequest&, const Writer& writer) {
        writer->begin(200, kPlain);
        const std::string piece(64 * 1024, 'x');
        std::size_t num_bytes = 0;
        while (writer->write(piece) && writer->wait_for_room()) num_bytes += piece.size();
        written.set_value(num_bytes);
      },
      {.outgoing_bytes = 128 * 1024, .write_deadline = milliseconds(200)});
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_LT(told(written).value(), 64u << 20);  // The kernel's buffers take some megabytes.
}

TEST(HttpServer, RefusesABodyOverTheLimitWithoutReadingItWhole) {
  std::atomic<int> num_handled = 0;
  const auto server = serve(
      [&](const HttpRequest&, const Writer& writer) {
        ++num_handled;
        writer->send(200, kPlain, "");
      },
      {.max_body_bytes = 1 << 20,
       .format_error = [](int status, std::string_view, const HttpHeaders& request_headers) {
         const auto origin = find_header(request_headers, "origin");
         return HttpErrorBody{.headers = {{"X-Origin", std::string(origin.value_or("none"))}},
                              .body = "{\"status\":" + std::to_string(status) + "}"};
       }});
  const auto answer = HttpClient(server->endpoint())
                          .request({.method = "POST",
                                    .target = "/",
                                    .headers = {{"Origin", "http://localhost"}},
                                    .body = std::string(100 << 20, 'x')});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(answer->body, "{\"status\":413}");
  EXPECT_EQ(answer->header("x-origin"), "http://localhost");
  EXPECT_EQ(num_handled, 0);
}

TEST(HttpServer, RefusesAChunkedBodyThatGrowsOverTheLimit) {
  const auto server = serve(echo, {.max_body_bytes = 1000});
  RawPeer peer(server->port());
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "200\r\n" + std::string(0x200, 'x') + "\r\n";
  peer.send(chunk + chunk + chunk);
  EXPECT_THAT(peer.read_until("\r\n\r\n"), HasSubstr(" 413 "));
}

TEST(HttpServer, AnswersGarbageWithFourHundred) {
  const auto server = serve(echo);
  for (const std::string& garbage :
       {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15),
        std::string("GET\r\n\r\n"), std::string("GET / HTTP/9.9\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nno colon here\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        std::string(4000, '\0')}) {
    RawPeer peer(server->port());
    peer.send(garbage);
    EXPECT_THAT(peer.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 400 "))
        << ::testing::PrintToString(garbage.substr(0, 60));
  }
  EXPECT_EQ(HttpClient(server->endpoint()).request({}).value().status, 200);
}

TEST(HttpServer, RefusesHeadersOverTheLimit) {
  const auto server = serve(echo, {.max_header_bytes = 2048});
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nX: " + std::string(5000, 'x') + "\r\n\r\n");
  EXPECT_THAT(peer.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
}

TEST(HttpServer, ForgetsAPeerThatLeavesInTheMiddleOfARequest) {
  std::atomic<int> num_handled = 0;
  const auto server = serve([&](const HttpRequest& request, const Writer& writer) {
    ++num_handled;
    echo(request, writer);
  });
  for (const std::string_view start :
       {"", "G", "GET / HT", "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"}) {
    RawPeer peer(server->port());
    peer.send(start);
    peer.leave();
  }
  RawPeer last(server->port());
  last.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(last.read_all(), HasSubstr("200 OK"));
  EXPECT_EQ(num_handled, 1);
}

TEST(HttpServer, EndsTheWaitForSlowHeadersAndBodies) {
  const auto server =
      serve(echo, {.header_deadline = milliseconds(100), .body_deadline = milliseconds(100)});
  RawPeer slow_header(server->port());
  slow_header.send("GET / HTTP/1.1\r\nX-Slow: ");
  EXPECT_THAT(slow_header.read_all(), StartsWith("HTTP/1.1 408 "));
  RawPeer slow_body(server->port());
  slow_body.send("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf");
  EXPECT_THAT(slow_body.read_all(), StartsWith("HTTP/1.1 408 "));
}

TEST(HttpServer, ClosesIdleConnections) {
  const auto server = serve(echo, {.idle_deadline = milliseconds(100)});
  RawPeer peer(server->port());
  EXPECT_EQ(peer.read_all(), "");
}

TEST(HttpServer, SaysItIsBusyWhenEveryHandlerIsTaken) {
  Signal is_running;
  Signal go_on;
  const auto server = serve(
      [&](const HttpRequest& request, const Writer& writer) {
        is_running.raise();
        EXPECT_TRUE(go_on.wait());
        echo(request, writer);
      },
      {.max_handler_threads = 1, .max_waiting_requests = 0});
  auto first = std::async(std::launch::async, [&] {
    return HttpClient(server->endpoint()).request({}).value().status;
  });
  ASSERT_TRUE(is_running.wait());
  const auto second = HttpClient(server->endpoint()).request({});
  go_on.raise();
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_EQ(second->status, 503);
  EXPECT_EQ(second->header("retry-after"), "1");
  EXPECT_EQ(first.get(), 200);
}

TEST(HttpServer, TurnsAwayConnectionsOverTheLimit) {
  const auto server = serve(echo, {.max_connections = 1});
  RawPeer first(server->port());
  first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  first.read_until("GET / ");
  RawPeer second(server->port());
  EXPECT_THAT(second.read_all(), StartsWith("HTTP/1.1 503 "));
}

TEST(HttpServer, TurnsExceptionsIntoAGenericFiveHundred) {
  const auto server = serve([](const HttpRequest& request, const Writer& writer) {
    if (request.path == "/late") writer->begin(200, kPlain);
    if (request.path != "/silent") throw std::runtime_error("a secret");
  });
  const HttpClient http(server->endpoint());
  for (const char* target : {"/early", "/silent"}) {
    const auto answer =
        http.request({.method = "GET", .target = target, .headers = {}, .body = ""});
    ASSERT_TRUE(answer.ok()) << answer.status().message();
    EXPECT_EQ(answer->status, 500);
    EXPECT_THAT(answer->body, ::testing::Not(HasSubstr("secret")));
  }
  // Nobody kept the writer, so nobody will end what was begun.
  const auto cut = http.request({.method = "GET", .target = "/late", .headers = {}, .body = ""});
  EXPECT_EQ(cut.code(), Code::kUnavailable);
}

TEST(HttpServer, SaysWhichPortIsInUse) {
  const auto server = serve(echo);
  const auto second = HttpServer::start({.port = server->port()}, echo);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.code(), Code::kConflict);
  EXPECT_THAT(second.status().message(), HasSubstr("port " + std::to_string(server->port())));
  EXPECT_THAT(second.status().message(), HasSubstr("choose another port"));
}

TEST(HttpServer, RefusesAnAddressThatIsNone) {
  EXPECT_EQ(HttpServer::start({.address = "nowhere.example"}, echo).code(), Code::kInvalidArgument);
  EXPECT_EQ(HttpServer::start({.unix_path = std::string(200, 'p')}, echo).code(),
            Code::kInvalidArgument);
}

TEST(HttpServer, KeepsItsUnixSocketPrivateAndRemovesIt) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "s";
  {
    const auto server = serve(echo, {.unix_path = path});
    struct stat found {};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600u);
    EXPECT_EQ(HttpClient(server->endpoint()).request({}).value().body, "GET / ");
    const auto second = HttpServer::start({.unix_path = path}, echo);
    EXPECT_EQ(second.code(), Code::kConflict);
    EXPECT_EQ(HttpClient(server->endpoint()).request({}).value().status, 200);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(HttpServer, ReplacesTheSocketOfADeadProcessButNoOtherFile) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "s";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(dead);
  EXPECT_EQ(HttpClient(Endpoint::unix_socket(path)).request({}).code(), Code::kUnavailable);
  {
    const auto server = serve(echo, {.unix_path = path});
    EXPECT_EQ(HttpClient(server->endpoint()).request({}).value().status, 200);
  }
  std::ofstream(path) << "precious";
  EXPECT_EQ(HttpServer::start({.unix_path = path}, echo).code(), Code::kConflict);
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
}

TEST(HttpServer, LetsRunningRequestsEndWhenItStops) {
  Signal is_running;
  Signal go_on;
  const auto server = serve([&](const HttpRequest& request, const Writer& writer) {
    is_running.raise();
    EXPECT_TRUE(go_on.wait());
    echo(request, writer);
  });
  auto answer = std::async(std::launch::async,
                           [&] { return HttpClient(server->endpoint()).request({}).value().body; });
  ASSERT_TRUE(is_running.wait());
  std::jthread stopper([&] { server->stop(kPatience); });
  go_on.raise();
  EXPECT_EQ(answer.get(), "GET / ");
  stopper.join();
  EXPECT_FALSE(RawPeer(server->port()).is_connected());
  EXPECT_EQ(server->num_connections(), 0u);
}

TEST(HttpServer, CutsOffStreamsThatOutliveTheDrain) {
  Signal is_running;
  std::atomic<bool> was_told = false;
  const auto server = serve([&](const HttpRequest&, const Writer& writer) {
    writer->begin(200, kPlain);
    is_running.raise();
    while (writer->write("more ") && writer->wait_for_room()) {
    }
    was_told = writer->client_gone().stop_requested();
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(is_running.wait());
  std::jthread reader([&] { peer.read_all(); });
  server->stop(milliseconds(20));
  EXPECT_TRUE(was_told);
  EXPECT_EQ(server->num_running_handlers(), 0u);
}

}  // namespace
}  // namespace panal::net
