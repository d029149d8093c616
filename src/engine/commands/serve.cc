// The worker that answers: one core with its adapters behind a unix socket. POST /generate takes a
// work::Generation and answers with work::GenerationEvents, one a line.
#include <memory>

#include "base/stop_on_signal.h"
#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"
#include "net/http_server.h"

namespace panal::engine {
namespace {

std::string line_of(const work::GenerationEvent& event) {
  return to_line(work::encode(event)) + "\n";
}

using Writer = std::shared_ptr<net::ResponseWriter>;  // Shared with the engine's callbacks.

void refuse(net::ResponseWriter& writer, int http_status, const Status& status) {
  writer.send(http_status, {{"Content-Type", "application/json"}},
              line_of({work::Failure::of(status)}));
}

// The first of the pieces, or the admission, whichever is earlier.
void open_answer(net::ResponseWriter& writer) {
  if (!writer.has_begun()) writer.begin(200, {{"Content-Type", "application/x-ndjson"}});
}

// Returns when the request has its place: an answer in progress needs no thread here. Text that
// nobody takes is bounded by the writer, which then says that its client is gone.
void answer(const net::HttpRequest& http, const Writer& writer, LoadedModel& loaded) {
  auto parsed = work::parse<work::Generation>(http.body, "request");
  if (!parsed.ok()) return refuse(*writer, 400, parsed.status());
  auto request = loaded.prepare(*std::move(parsed));
  if (!request.ok()) return refuse(*writer, 400, request.status());
  serve::RequestCallbacks callbacks;
  callbacks.on_text = [writer](std::string_view text) {
    open_answer(*writer);
    writer->write(line_of({std::string(text)}));
  };
  callbacks.on_done = [writer](Result<work::GenerationResult> result) {
    open_answer(*writer);
    if (result.ok()) {
      result->token_ids.clear();  // Nobody asks for them here.
      result->text.clear();       // It was written piece by piece.
      writer->write(line_of({*std::move(result)}));
    } else {
      writer->write(line_of({work::Failure::of(result.status())}));
    }
    writer->end();
  };
  const Status taken =
      loaded.engine().submit(*std::move(request), std::move(callbacks), writer->client_gone());
  if (!taken.ok()) return refuse(*writer, 400, taken);
  open_answer(*writer);  // The hub may tell its client that the question was taken.
}

}  // namespace

Status serve(const work::ServingSpec& spec, const std::string& socket, EventWriter& events,
             std::stop_token stop) {
  PANAL_ASSIGN(const auto loaded,
               LoadedModel::open(spec.model.string(), adapter_sources(spec.adapters),
                                 spec.max_context.value_or(0)));
  net::HttpServerOptions options;
  options.unix_path = socket;
  PANAL_ASSIGN(
      const auto server,
      net::HttpServer::start(options, [&](const net::HttpRequest& request, const Writer& writer) {
        if (request.method == "POST" && request.path == "/generate")
          return answer(request, writer, *loaded);
        if (request.method == "GET" && request.path == "/info") {
          writer->send(200, {{"Content-Type", "application/json"}},
                       to_line(work::encode(loaded->facts())));
          return;
        }
        refuse(*writer, 404, Status(Code::kNotFound, "known: POST /generate, GET /info"));
      }));
  events.write({loaded->facts()});
  wait_for_stop(stop);
  server->stop(std::chrono::seconds(5));
  loaded->engine().stop();
  return Status();
}

}  // namespace panal::engine
