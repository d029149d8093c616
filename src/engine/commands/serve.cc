// The worker that answers: one core with its adapters behind a unix socket. POST /generate takes
// {"messages" | "prompt", "adapter", "max_tokens", "temperature", "top_p", "top_k", "seed", "stop"}
// and answers with JSON lines: {"text": ...} as it grows, then {"done": {...}} or {"error":
// {"code", "message"}}.
#include <fmt/format.h>

#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/hash.h"
#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"
#include "net/http_server.h"

namespace panal::engine {
namespace {

constexpr std::int64_t kDefaultMaxTokens = 256;

Json error_to_json(const Status& status) {
  return Json{{"error", {{"code", code_name(status.code())}, {"message", status.message()}}}};
}

Status read_options(const Json& body, serve::GenerateRequest& request) {
  request.max_tokens = kDefaultMaxTokens;
  if (json_has(body, "max_tokens")) {
    PANAL_ASSIGN(request.max_tokens, json_integer(body, "max_tokens", "request", 1, 1 << 24));
  }
  if (json_has(body, "temperature")) {
    PANAL_ASSIGN(request.sampling.temperature, json_number(body, "temperature", "request", 0, 100));
  }
  if (json_has(body, "top_p")) {
    PANAL_ASSIGN(request.sampling.top_p, json_number(body, "top_p", "request", 0, 1));
  }
  if (json_has(body, "top_k")) {
    PANAL_ASSIGN(request.sampling.top_k, json_integer(body, "top_k", "request", 0, INT32_MAX));
  }
  if (json_has(body, "seed")) {
    PANAL_ASSIGN(const std::int64_t seed, json_integer(body, "seed", "request", 0, INT64_MAX));
    request.sampling.seed = static_cast<std::uint64_t>(seed);
  } else {
    // Without a seed two equal questions may get two answers.
    request.sampling.seed = xxh3_64(random_hex(8));
  }
  if (json_has(body, "adapter")) {
    PANAL_ASSIGN(request.adapter, json_string(body, "adapter", "request"));
  }
  if (json_has(body, "stop")) {
    if (!body.at("stop").is_array())
      return Status(Code::kInvalidArgument, "request: \"stop\" must be a list of strings");
    for (const Json& text : body.at("stop")) {
      if (!text.is_string())
        return Status(Code::kInvalidArgument, "request: \"stop\" must be a list of strings");
      request.stop.push_back(text.get<std::string>());
    }
  }
  return Status();
}

Result<serve::GenerateRequest> read_request(const std::string& text, const LoadedModel& loaded) {
  PANAL_ASSIGN(const Json body, parse_json(text, "request"));
  serve::GenerateRequest request;
  PANAL_TRY(read_options(body, request));
  if (json_has(body, "messages")) {
    PANAL_ASSIGN(request.prompt, loaded.encode_chat(body.at("messages")));
  } else {
    PANAL_ASSIGN(const std::string prompt, json_string(body, "prompt", "request"));
    request.prompt = loaded.encode_text(prompt);
  }
  if (request.prompt.empty())
    return Status(Code::kInvalidArgument, "the prompt must have at least one token, found none");
  return request;
}

using Writer = std::shared_ptr<net::ResponseWriter>;  // Shared with the engine's callbacks.

void refuse(net::ResponseWriter& writer, int http_status, const Status& status) {
  writer.send(http_status, {{"Content-Type", "application/json"}}, to_line(error_to_json(status)));
}

// The first of the pieces, or the admission, whichever is earlier.
void open_answer(net::ResponseWriter& writer) {
  if (!writer.has_begun()) writer.begin(200, {{"Content-Type", "application/x-ndjson"}});
}

// Returns when the request has its place: an answer in progress needs no thread here. Text that
// nobody takes is bounded by the writer, which then says that its client is gone.
void answer(const net::HttpRequest& http, const Writer& writer, LoadedModel& loaded) {
  auto request = read_request(http.body, loaded);
  if (!request.ok()) return refuse(*writer, 400, request.status());
  serve::RequestCallbacks callbacks;
  callbacks.on_text = [writer](std::string_view text) {
    open_answer(*writer);
    writer->write(to_line(Json{{"text", text}}) + "\n");
  };
  callbacks.on_done = [writer](const Result<serve::GenerateResult>& result) {
    open_answer(*writer);
    Json last;
    if (result.ok()) {
      Json done = {{"finish_reason", serve::finish_reason_name(result->finish_reason)}};
      done.update(stats_to_json(result->stats));
      last["done"] = std::move(done);
    } else {
      last = error_to_json(result.status());
    }
    writer->write(to_line(last) + "\n");
    writer->end();
  };
  const Status taken =
      loaded.engine().submit(*std::move(request), std::move(callbacks), writer->client_gone());
  if (!taken.ok()) return refuse(*writer, 400, taken);
  open_answer(*writer);  // The hub may tell its client that the question was taken.
}

Json info(LoadedModel& loaded) {
  const serve::EngineStats stats = loaded.engine().stats();
  return Json{{"context_length", loaded.model().context_length()},
              {"vocabulary_size", loaded.model().vocabulary_size()},
              {"adapters", loaded.model().adapters()},
              {"chat", loaded.has_chat_template()},
              {"running", stats.running},
              {"waiting", stats.waiting},
              {"finished", stats.finished},
              {"energy_method", stats.energy_method}};
}

}  // namespace

Status serve(const Json& spec, const std::string& socket, EventWriter& events,
             std::stop_token stop) {
  PANAL_ASSIGN(const std::string core, json_string(spec, "model", "spec"));
  PANAL_ASSIGN(const auto adapters, read_adapters(spec));
  std::int64_t max_context = 0;
  if (json_has(spec, "max_context")) {
    PANAL_ASSIGN(max_context, json_integer(spec, "max_context", "spec", 16, 1 << 24));
  }
  PANAL_ASSIGN(const auto loaded, LoadedModel::open(core, adapters, max_context));
  net::HttpServerOptions options;
  options.unix_path = socket;
  PANAL_ASSIGN(
      const auto server,
      net::HttpServer::start(options, [&](const net::HttpRequest& request, const Writer& writer) {
        if (request.method == "POST" && request.path == "/generate")
          return answer(request, writer, *loaded);
        if (request.method == "GET" && request.path == "/info") {
          writer->send(200, {{"Content-Type", "application/json"}}, to_line(info(*loaded)));
          return;
        }
        refuse(*writer, 404, Status(Code::kNotFound, "known: POST /generate, GET /info"));
      }));
  events.write("ready", info(*loaded));
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, stop, [] { return false; });
  server->stop(std::chrono::seconds(5));
  loaded->engine().stop();
  return Status();
}

}  // namespace panal::engine
