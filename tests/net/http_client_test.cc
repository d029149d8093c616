#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>

#include "net/http_server.h"
#include "tests/net/raw_peer.h"

namespace panal::net {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

// Accepts one connection, says `answer` after it saw some bytes, and hangs up.
class RudeServer {
 public:
  explicit RudeServer(std::string answer)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    ::listen(listener_, 4);
    socklen_t num_bytes = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &num_bytes);
    endpoint_ = Endpoint::tcp("127.0.0.1", ntohs(address.sin_port));
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
  std::unique_ptr<HttpServer> server = serve([this](const HttpRequest&, ResponseWriter& writer) {
    writer.begin(200, {});
    writer.write("first");
    std::promise<void> left;
    const std::stop_callback on_gone(writer.client_gone(), [&] { left.set_value(); });
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
    free_port = serve([](const HttpRequest&, ResponseWriter&) {})->port();
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
  const auto server = serve([](const HttpRequest& request, ResponseWriter& writer) {
    writer.send(200, {}, *request.header("host"));
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
  const auto server = serve([](const HttpRequest&, ResponseWriter& writer) {
    writer.begin(200, {});
    const std::string piece(10'000, 'x');
    while (writer.write(piece)) {
    }
  });
  const HttpClient http(server->endpoint(), {.max_body_bytes = 100'000});
  EXPECT_EQ(http.request({}).code(), Code::kResourceExhausted);
}

TEST(HttpClient, StreamsPiecesAsTheyArrive) {
  std::promise<void> first_arrived;
  const auto server = serve([&](const HttpRequest&, ResponseWriter& writer) {
    writer.begin(200, {});
    writer.write("one ");
    // The second piece leaves only when the client has seen the first: nothing in between holds it
    // back.
    EXPECT_EQ(first_arrived.get_future().wait_for(kPatience), std::future_status::ready);
    writer.write("two");
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
  const auto server = serve([&](const HttpRequest&, ResponseWriter& writer) {
    writer.begin(200, {});
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(writer.write(piece));
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
      serve([](const HttpRequest&, ResponseWriter& writer) { writer.send(404, {}, "why"); });
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
  const auto drip = serve([](const HttpRequest&, ResponseWriter& writer) {
    writer.begin(200, {});
    while (writer.write("drop ")) {
    }
  });
  const HttpClient in_a_hurry(drip->endpoint(), {.total_deadline = milliseconds(50)});
  EXPECT_EQ(in_a_hurry.stream({}, [](std::string_view) { return true; }).code(),
            Code::kDeadlineExceeded);
}

TEST(HttpClient, KeepsLineEndsOutOfTheRequest) {
  const auto server = serve([](const HttpRequest& request, ResponseWriter& writer) {
    writer.send(200, {}, request.target + (request.header("evil") ? " evil" : ""));
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
