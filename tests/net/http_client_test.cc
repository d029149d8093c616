#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/http_server.h"
#include "tests/net/raw_peer.h"
#include "tests/store/temporary_folder.h"

namespace panal::net {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using Writer = std::shared_ptr<ResponseWriter>;

// Lets the socket listen on a free port of this machine, and says which.
Endpoint listen_on_loopback(int socket) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(socket, 4), 0);
  socklen_t num_bytes = sizeof(address);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &num_bytes);
  return Endpoint::tcp("127.0.0.1", ntohs(address.sin_port));
}

// Accepts one connection, says `answer` after it saw some bytes, and hangs up.
class RudeServer {
 public:
  explicit RudeServer(std::string answer)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    endpoint_ = listen_on_loopback(listener_);
    thread_ = std::jthread([this, answer = std::move(answer)] {
      const int peer = ::accept(listener_, nullptr, nullptr);
      char bytes[4096];
      if (::recv(peer, bytes, sizeof(bytes), 0) > 0) {
        ::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
      ::close(peer);
    });
  }
  ~RudeServer() {
    thread_.join();
    ::close(listener_);
  }
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  int listener_;
  Endpoint endpoint_;
  std::jthread thread_;
};

std::unique_ptr<HttpServer> serve(HttpHandler handler) {
  return std::move(HttpServer::start({}, std::move(handler))).value();
}

// Sends one piece, then waits for the client to leave.
struct EndlessServer {
  std::promise<bool> saw_client_leave;
  std::unique_ptr<HttpServer> server = serve([this](const HttpRequest&, const Writer& writer) {
    writer->begin(200, {});
    writer->write("first");
    std::promise<void> left;
    const std::stop_callback on_gone(writer->client_gone(), [&] { left.set_value(); });
    saw_client_leave.set_value(left.get_future().wait_for(kPatience) == std::future_status::ready);
  });
  bool client_left() {
    auto outcome = saw_client_leave.get_future();
    return outcome.wait_for(kPatience) == std::future_status::ready && outcome.get();
  }
};

TEST(HttpClient, SaysWhenNobodyListens) {
  std::uint16_t free_port = 0;
  {
    free_port = serve([](const HttpRequest&, const Writer&) {})->port();
  }
  const auto refused = HttpClient(Endpoint::tcp("127.0.0.1", free_port)).request({});
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  EXPECT_THAT(refused.status().message(), HasSubstr(std::to_string(free_port)));
  EXPECT_EQ(HttpClient(Endpoint::unix_socket("/nonexistent/socket")).request({}).code(),
            Code::kUnavailable);
  EXPECT_EQ(HttpClient(Endpoint::unix_socket(std::string(300, 'p'))).request({}).code(),
            Code::kInvalidArgument);
}

TEST(HttpClient, FindsTheServerByName) {
  const auto server = serve([](const HttpRequest& request, const Writer& writer) {
    writer->send(200, {}, *request.header("host"));
  });
  const auto answer = HttpClient(Endpoint::tcp("localhost", server->port())).request({});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->body, "localhost:" + std::to_string(server->port()));
}

TEST(HttpClient, TellsTornAnswersFromWholeOnes) {
  struct Case {
    std::string answer;
    Code code;
  };
  for (const Case& one : {
           Case{"", Code::kUnavailable},
           Case{"HTTP/1.1 200 OK\r\nContent-Len", Code::kUnavailable},
           Case{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Code::kUnavailable},
           Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
                Code::kUnavailable},
           Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Code::kCorrupt},
           Case{"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", Code::kCorrupt},
           Case{"HTTP/1.1 200 OK\r\n\r\nup to the end", Code::kOk},
           Case{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Code::kOk},
       }) {
    const RudeServer server(one.answer);
    const auto answer = HttpClient(server.endpoint()).request({});
    EXPECT_EQ(answer.code(), one.code) << one.answer << ": " << answer.status().message();
  }
}

TEST(HttpClient, RefusesToCollectMoreThanItsBound) {
  const auto server = serve([](const HttpRequest&, const Writer& writer) {
    writer->begin(200, {});
    const std::string piece(10'000, 'x');
    while (writer->write(piece) && writer->wait_for_room()) {
    }
  });
  const HttpClient http(server->endpoint(), {.max_body_bytes = 100'000});
  EXPECT_EQ(http.request({}).code(), Code::kResourceExhausted);
}

TEST(HttpClient, StreamsPiecesAsTheyArrive) {
  std::promise<void> first_arrived;
  const auto server = serve([&](const HttpRequest&, const Writer& writer) {
    writer->begin(200, {});
    writer->write("one ");
    // The second piece leaves only when the client has seen the first: nothing in between holds it
    // back.
    EXPECT_EQ(first_arrived.get_future().wait_for(kPatience), std::future_status::ready);
    writer->write("two");
    writer->end();
  });
  std::string text;
  int status_seen = 0;
  const auto answer = HttpClient(server->endpoint())
                          .stream(
                              {},
                              [&](std::string_view chunk) {
                                if (text.empty()) first_arrived.set_value();
                                text += chunk;
                                return true;
                              },
                              {},
                              [&](const ClientResponse& head) {
                                status_seen = head.status;
                                return true;
                              });
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(text, "one two");
  EXPECT_EQ(status_seen, 200);
}

TEST(HttpClient, StreamsManyMegabytesWhole) {
  const std::string piece(100'000, 'y');
  const auto server = serve([&](const HttpRequest&, const Writer& writer) {
    writer->begin(200, {});
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(writer->write(piece) && writer->wait_for_room());
    writer->end();
  });
  std::size_t num_bytes = 0;
  const auto answer = HttpClient(server->endpoint()).stream({}, [&](std::string_view chunk) {
    num_bytes += chunk.size();
    return true;
  });
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(num_bytes, 200 * piece.size());
}

TEST(HttpClient, CollectsTheBodyOfAnErrorInsteadOfStreamingIt) {
  const auto server =
      serve([](const HttpRequest&, const Writer& writer) { writer->send(404, {}, "why"); });
  const auto answer = HttpClient(server->endpoint()).stream({}, [](std::string_view) {
    ADD_FAILURE() << "an error is no stream";
    return true;
  });
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "why");
}

TEST(HttpClient, EndsWhenTheReaderSaysNoAndTheServerSeesIt) {
  EndlessServer endless;
  const auto answer =
      HttpClient(endless.server->endpoint()).stream({}, [](std::string_view) { return false; });
  EXPECT_EQ(answer.code(), Code::kCancelled);
  EXPECT_TRUE(endless.client_left());
}

TEST(HttpClient, EndsAtOnceWhenStoppedAndTheServerSeesIt) {
  EndlessServer endless;
  std::stop_source stop;
  std::promise<void> first_arrived;
  auto outcome = std::async(std::launch::async, [&] {
    return HttpClient(endless.server->endpoint())
        .stream(
            {},
            [&](std::string_view) {
              first_arrived.set_value();
              return true;
            },
            stop.get_token())
        .code();
  });
  ASSERT_EQ(first_arrived.get_future().wait_for(kPatience), std::future_status::ready);
  stop.request_stop();
  ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(outcome.get(), Code::kCancelled);
  EXPECT_TRUE(endless.client_left());
  EXPECT_EQ(HttpClient(endless.server->endpoint()).request({}, stop.get_token()).code(),
            Code::kCancelled);
}

TEST(HttpClient, EndsAtItsDeadlines) {
  EndlessServer by_idle;
  const HttpClient impatient(by_idle.server->endpoint(), {.idle_deadline = milliseconds(50)});
  EXPECT_EQ(impatient.request({}).code(), Code::kDeadlineExceeded);
  EXPECT_TRUE(by_idle.client_left());
  const auto drip = serve([](const HttpRequest&, const Writer& writer) {
    writer->begin(200, {});
    while (writer->write("drop ") && writer->wait_for_room()) {
    }
  });
  const HttpClient in_a_hurry(drip->endpoint(), {.total_deadline = milliseconds(50)});
  EXPECT_EQ(in_a_hurry.stream({}, [](std::string_view) { return true; }).code(),
            Code::kDeadlineExceeded);
}

std::unique_ptr<HttpServer> echoing_server() {
  return serve([](const HttpRequest& request, const Writer& writer) {
    writer->send(200, {}, request.body);
  });
}

TEST(HttpClient, UsesAConnectionAgain) {
  const auto server = echoing_server();
  const HttpClient http(server->endpoint());
  for (int i = 0; i < 20; ++i) {
    const auto answer = http.request({.method = "POST", .body = std::to_string(i)});
    ASSERT_TRUE(answer.ok()) << answer.status().message();
    EXPECT_EQ(answer->body, std::to_string(i));
    EXPECT_EQ(server->num_connections(), 1u);
  }
}

TEST(HttpClient, KeepsNoMoreConnectionsThanItsBound) {
  const auto server = echoing_server();
  const HttpClient http(server->endpoint(), {.max_kept_connections = 2});
  std::latch all_started(8);
  std::vector<std::jthread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      all_started.arrive_and_wait();
      EXPECT_TRUE(http.request({}).ok());
    });
  }
  callers.clear();
  EXPECT_TRUE(eventually([&] { return server->num_connections() <= 2; }));
  const HttpClient without(server->endpoint(), {.max_kept_connections = 0});
  EXPECT_TRUE(without.request({}).ok());
  EXPECT_TRUE(eventually([&] { return server->num_connections() <= 2; }));
}

TEST(HttpClient, LeavesAConnectionThatWasIdleForTooLong) {
  const auto server = echoing_server();
  ManualClock clock;
  const HttpClient http(server->endpoint(), {.keep_deadline = std::chrono::seconds(10)}, clock);
  EXPECT_EQ(http.request({})->status, 200);
  clock.advance(std::chrono::seconds(11));
  EXPECT_EQ(http.request({})->status, 200);
  EXPECT_TRUE(eventually([&] { return server->num_connections() == 1; }));
}

// A restarted server knows nothing of the connections to the one before.
TEST(HttpClient, NoticesThatTheServerClosedAnIdleConnection) {
  auto first = echoing_server();
  const Endpoint endpoint = first->endpoint();
  const HttpClient http(endpoint);
  ASSERT_EQ(http.request({.method = "POST"})->status, 200);
  first = nullptr;
  const auto second =
      std::move(HttpServer::start({.port = endpoint.port}, [](const HttpRequest&,
                                                              const Writer& writer) {
        writer->send(200, {}, "second");
      })).value();
  const auto answer = http.request({.method = "POST"});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->body, "second");
}

// Answers one request on its first connection and hangs up on the next one there; answers all that
// come on other connections.
class HangingUpServer {
 public:
  HangingUpServer() {
    endpoint = listen_on_loopback(listener_);
    thread_ = std::jthread([this] {
      const int first = ::accept(listener_, nullptr, nullptr);
      answer(first);
      char bytes[4096];
      ::recv(first, bytes, sizeof(bytes), 0);  // The second request.
      ++num_seen;
      ::close(first);
      for (int peer = 0; (peer = ::accept(listener_, nullptr, nullptr)) >= 0;) {
        answer(peer);
        ::close(peer);
      }
    });
  }
  ~HangingUpServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  Endpoint endpoint;
  std::atomic<int> num_seen = 0;

 private:
  void answer(int peer) {
    char bytes[4096];
    if (::recv(peer, bytes, sizeof(bytes), 0) <= 0) return;
    ++num_seen;
    const std::string_view text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    ::send(peer, text.data(), text.size(), MSG_NOSIGNAL);
  }
  int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::jthread thread_;
};

TEST(HttpClient, AsksOnceMoreOnlyWhenThatCannotDoAnythingTwice) {
  for (const bool only_reads : {true, false}) {
    HangingUpServer server;
    const HttpClient http(server.endpoint);
    ASSERT_EQ(http.request({})->body, "ok");
    const auto answer = http.request({.method = only_reads ? "GET" : "POST", .body = ""});
    EXPECT_EQ(answer.code(), only_reads ? Code::kOk : Code::kUnavailable);
    EXPECT_EQ(server.num_seen, only_reads ? 3 : 2);
  }
}

// Collects what one started request was told.
struct Told {
  std::promise<Result<ClientResponse>> done;
  std::string text;  // The client's thread only, until done.
  HttpClient::Callbacks callbacks() {
    return {.on_chunk =
                [this](std::string_view chunk) {
                  text += chunk;
                  return true;
                },
            .on_done = [this](Result<ClientResponse> outcome) { done.set_value(outcome); }};
  }
  Result<ClientResponse> outcome() {
    auto future = done.get_future();
    if (future.wait_for(kPatience) != std::future_status::ready) {
      return Status(Code::kInternal, "nothing was told");
    }
    return future.get();
  }
};

TEST(HttpClient, KeepsAThousandAnswersOpenOnOneThread) {
  constexpr std::size_t kNumAnswers = 1000;
  const test::TemporaryFolder folder;
  std::mutex mutex;
  std::vector<Writer> writers;  // Guarded by mutex.
  std::promise<void> all_open;
  const auto server =
      std::move(HttpServer::start({.unix_path = folder / "s", .max_handler_threads = 4},
                                  [&](const HttpRequest&, const Writer& writer) {
                                    writer->begin(200, {});
                                    writer->write("open");
                                    const std::lock_guard lock(mutex);
                                    writers.push_back(writer);
                                    if (writers.size() == kNumAnswers) all_open.set_value();
                                  }))
          .value();
  const HttpClient http(server->endpoint());
  const auto num_threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  const auto num_before = num_threads();
  std::vector<Told> told(kNumAnswers);
  for (Told& one : told) http.start({.method = "POST", .body = "x"}, one.callbacks());
  ASSERT_EQ(all_open.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_LE(num_threads(), num_before + 1 + 4);
  for (const Writer& writer : writers) {
    writer->write(" and whole");
    writer->end();
  }
  for (Told& one : told) {
    const auto outcome = one.outcome();
    ASSERT_TRUE(outcome.ok()) << outcome.status().message();
    EXPECT_EQ(one.text, "open and whole");
  }
}

TEST(HttpClient, EndsAStartedRequestWhenStoppedAndTheServerSeesIt) {
  EndlessServer endless;
  std::stop_source stop;
  Told told;
  const HttpClient http(endless.server->endpoint());
  auto callbacks = told.callbacks();
  callbacks.on_chunk = [&](std::string_view) { return stop.request_stop(); };
  http.start({}, std::move(callbacks), stop.get_token());
  EXPECT_EQ(told.outcome().code(), Code::kCancelled);
  EXPECT_TRUE(endless.client_left());
  Told too_late;
  http.start({}, too_late.callbacks(), stop.get_token());
  EXPECT_EQ(too_late.outcome().code(), Code::kCancelled);
}

TEST(HttpClient, EndsWhatItStartedWhenItGoes) {
  EndlessServer endless;
  Told told;
  std::promise<void> first_arrived;
  {
    const HttpClient http(endless.server->endpoint());
    auto callbacks = told.callbacks();
    callbacks.on_chunk = [&](std::string_view) {
      first_arrived.set_value();
      return true;
    };
    http.start({}, std::move(callbacks));
    ASSERT_EQ(first_arrived.get_future().wait_for(kPatience), std::future_status::ready);
  }
  EXPECT_EQ(told.outcome().code(), Code::kCancelled);
  EXPECT_TRUE(endless.client_left());
}

TEST(HttpClient, TellsAStartedRequestThatNobodyListens) {
  Told told;
  const HttpClient http(Endpoint::unix_socket("/nonexistent/socket"));
  http.start({}, told.callbacks());
  EXPECT_EQ(told.outcome().code(), Code::kUnavailable);
}

// A second request may be started from the end of the first.
TEST(HttpClient, LetsACallbackStartTheNextRequest) {
  const auto server = echoing_server();
  const HttpClient http(server->endpoint());
  Told second;
  http.start({.method = "POST", .body = "first"}, {.on_done = [&](Result<ClientResponse> first) {
               http.start({.method = "POST", .body = first.ok() ? first->body + " again" : ""},
                          second.callbacks());
             }});
  ASSERT_TRUE(second.outcome().ok());
  EXPECT_EQ(second.text, "first again");
  EXPECT_EQ(server->num_connections(), 1u);
}

TEST(HttpClient, SkipsWhatIsOnlyProvisional) {
  const RudeServer server(
      "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  const auto answer = HttpClient(server.endpoint()).request({});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "ok");
}

TEST(HttpClient, KeepsLineEndsOutOfTheRequest) {
  const auto server = serve([](const HttpRequest& request, const Writer& writer) {
    writer->send(200, {}, request.target + (request.header("evil") ? " evil" : ""));
  });
  const auto answer = HttpClient(server->endpoint())
                          .request({.method = "GET",
                                    .target = "/a HTTP/1.1\r\nEvil: 1",
                                    .headers = {{"X", "a\r\nEvil: 1"}},
                                    .body = ""});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->body, "/a+HTTP/1.1++Evil:+1");
}

TEST(Endpoint, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_endpoint("http://127.0.0.1:7070")->port, 7070);
  EXPECT_EQ(parse_endpoint("http://localhost/")->port, 80);
  EXPECT_EQ(parse_endpoint("http://[::1]:81")->host, "::1");
  EXPECT_EQ(parse_endpoint("http://[::1]:81")->shown(), "http://[::1]:81");
  EXPECT_EQ(parse_endpoint("unix:/run/p.sock")->unix_path, "/run/p.sock");
  EXPECT_EQ(parse_endpoint("https://x").code(), Code::kUnsupported);
  for (const char* bad :
       {"", "x", "http://", "http://:80", "http://h:0", "http://h:65536", "http://h:8x",
        "http://h/v1", "http://u@h", "http://[::1", "http://[::1]x", "unix:"}) {
    EXPECT_EQ(parse_endpoint(bad).code(), Code::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace panal::net
