#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "net/http_client.h"
#include "tests/net/raw_peer.h"

namespace panal::net {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const HttpHeaders kPlain = {{"Content-Type", "text/plain"}};

void echo(const HttpRequest& request, ResponseWriter& writer) {
  writer.send(200, kPlain, request.method + " " + request.path + " " + request.body);
}

std::unique_ptr<HttpServer> serve(HttpHandler handler, HttpServerOptions options = {}) {
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::start(std::move(options), std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status().message();
  return std::move(server).value();
}

std::filesystem::path fresh_folder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "panal-net-XXXXXX").string();
  return ::mkdtemp(pattern.data());
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
  const auto server = serve([&](const HttpRequest& request, ResponseWriter& writer) {
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
  const auto server = serve([](const HttpRequest&, ResponseWriter& writer) {
    EXPECT_TRUE(writer.begin(200, kPlain));
    EXPECT_TRUE(writer.write("one,"));
    EXPECT_TRUE(writer.write(""));
    EXPECT_TRUE(writer.write("two"));
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
  const auto server = serve([](const HttpRequest&, ResponseWriter& writer) {
    writer.send(200, {{"X-Route", "a\r\nX-Evil: 1"}, {"bad name", "1"}, {"Content-Length", "99"}},
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
  const auto server = serve([&](const HttpRequest&, ResponseWriter& writer) {
    writer.begin(200, kPlain);
    const std::string piece(1000, 'x');
    while (writer.write(piece)) {
    }
    saw_it.set_value(writer.client_gone().stop_requested());
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  peer.read_until("xxx");
  peer.leave();
  auto outcome = saw_it.get_future();
  ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(outcome.get());
}

TEST(HttpServer, TellsASilentHandlerThatItsClientLeft) {
  Signal is_running;
  std::promise<bool> saw_it;
  const auto server = serve([&](const HttpRequest&, ResponseWriter& writer) {
    is_running.raise();
    saw_it.set_value(wait_for_stop(writer.client_gone()));
    EXPECT_FALSE(writer.send(200, kPlain, "nobody reads this"));
  });
  RawPeer peer(server->port());
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(is_running.wait());
  peer.leave();
  auto outcome = saw_it.get_future();
  ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(outcome.get());
}

// A peer that reads nothing costs one buffer, then its handler is released.
TEST(HttpServer, GivesUpOnAPeerThatReadsNothing) {
  std::promise<std::size_t> written;
  const auto server = serve(
      [&](const HttpRequest&, ResponseWriter& writer) {
        writer.begin(200, kPlain);
        const std::string piece(64 * 1024, 'x');
        std::size_t num_bytes = 0;
        while (writer.write(piece)) num_bytes += piece.size();
        written.set_value(num_bytes);
      },
      {.outgoing_bytes = 128 * 1024, .write_deadline = milliseconds(200)});
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  auto outcome = written.get_future();
  ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
  EXPECT_LT(outcome.get(), 64u << 20);  // The kernel's buffers take some megabytes.
}

TEST(HttpServer, RefusesABodyOverTheLimitWithoutReadingItWhole) {
  std::atomic<int> num_handled = 0;
  const auto server = serve(
      [&](const HttpRequest&, ResponseWriter& writer) {
        ++num_handled;
        writer.send(200, kPlain, "");
      },
      {.max_body_bytes = 1 << 20, .format_error = [](int status, std::string_view) {
         return HttpErrorBody{"application/json", "{\"status\":" + std::to_string(status) + "}"};
       }});
  const auto answer = HttpClient(server->endpoint())
                          .request({.method = "POST",
                                    .target = "/",
                                    .headers = {},
                                    .body = std::string(100 << 20, 'x')});
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(answer->body, "{\"status\":413}");
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
  const auto server = serve([&](const HttpRequest& request, ResponseWriter& writer) {
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
      [&](const HttpRequest& request, ResponseWriter& writer) {
        is_running.raise();
        EXPECT_TRUE(go_on.wait());
        echo(request, writer);
      },
      {.max_concurrent_handlers = 1});
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
  const auto server = serve([](const HttpRequest& request, ResponseWriter& writer) {
    if (request.path == "/late") writer.begin(200, kPlain);
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
  const std::filesystem::path folder = fresh_folder();
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
  std::filesystem::remove_all(folder);
}

TEST(HttpServer, ReplacesTheSocketOfADeadProcessButNoOtherFile) {
  const std::filesystem::path folder = fresh_folder();
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
  std::filesystem::remove_all(folder);
}

TEST(HttpServer, LetsRunningRequestsEndWhenItStops) {
  Signal is_running;
  Signal go_on;
  const auto server = serve([&](const HttpRequest& request, ResponseWriter& writer) {
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
  const auto server = serve([&](const HttpRequest&, ResponseWriter& writer) {
    writer.begin(200, kPlain);
    is_running.raise();
    while (writer.write("more ")) {
    }
    was_told = writer.client_gone().stop_requested();
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
