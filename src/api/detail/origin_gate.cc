#include "api/detail/origin_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace panal::api::detail {
namespace {

constexpr std::size_t kShownBytes = 100;
constexpr std::size_t kMaxRequestedHeaderBytes = 1000;

// "127.0.0.1:7070" -> "127.0.0.1"; "[::1]:7070" -> "[::1]".
std::string host_name(std::string_view host) {
  const std::size_t bracket = host.find(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string name(host.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::string_view host_of_origin(std::string_view origin) {
  const std::size_t slashes = origin.find("://");
  return slashes == std::string_view::npos ? origin : origin.substr(slashes + 3);
}

bool is_list_of_names(std::string_view text) {
  return text.size() <= kMaxRequestedHeaderBytes &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == ',' || c == ' ';
         });
}

ApiError refused(std::string message, std::string code) {
  return {.status = 403,
          .message = std::move(message),
          .type = "invalid_request_error",
          .param = {},
          .code = std::move(code)};
}

}  // namespace

bool OriginGate::lets_in(std::string_view host) const {
  const std::string name = host_name(host);
  if (name == "localhost" || name == "127.0.0.1" || name == "[::1]") return true;
  return std::any_of(allowed_hosts_.begin(), allowed_hosts_.end(),
                     [&](const std::string& one) { return one == "*" || host_name(one) == name; });
}

std::optional<ApiError> OriginGate::refusal(const net::HttpHeaders& request) const {
  const auto host = net::find_header(request, "host");
  if (host && !lets_in(*host)) {
    return refused(fmt::format("This server does not answer to the name \"{}\"; use localhost, or "
                               "start panal with --allow-host and that name.",
                               host->substr(0, kShownBytes)),
                   "host_not_allowed");
  }
  const auto origin = net::find_header(request, "origin");
  if (!origin || lets_in(host_of_origin(*origin))) return std::nullopt;
  return refused(fmt::format("Web pages of \"{}\" may not use this server; to let them in, start "
                             "panal with --allow-host and the page's host.",
                             origin->substr(0, kShownBytes)),
                 "origin_not_allowed");
}

net::HttpHeaders OriginGate::headers(const net::HttpHeaders& request) const {
  net::HttpHeaders headers = {{"Vary", "Origin"}};
  const auto origin = net::find_header(request, "origin");
  if (!origin || !lets_in(host_of_origin(*origin))) return headers;
  headers.emplace_back("Access-Control-Allow-Origin", *origin);
  headers.emplace_back("Access-Control-Expose-Headers",
                       "X-Request-Id, X-Panal-Request-Id, X-Panal-Route, Retry-After");
  return headers;
}

net::HttpHeaders OriginGate::preflight_headers(const net::HttpHeaders& request,
                                               std::string_view methods) {
  const auto wanted = net::find_header(request, "access-control-request-headers");
  const bool is_named = wanted && !wanted->empty() && is_list_of_names(*wanted);
  net::HttpHeaders headers = {
      {"Access-Control-Allow-Methods", std::string(methods)},
      {"Access-Control-Allow-Headers",
       is_named ? std::string(*wanted) : std::string("Authorization, Content-Type")},
      {"Access-Control-Max-Age", "600"}};
  if (net::find_header(request, "access-control-request-private-network") == "true") {
    headers.emplace_back("Access-Control-Allow-Private-Network", "true");
  }
  return headers;
}

}  // namespace panal::api::detail
