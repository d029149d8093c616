#include "net/http_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace panal::net {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

Status bad_endpoint(std::string_view text, std::string_view why) {
  return Status(Code::kInvalidArgument,
                fmt::format("address: expected http://host:port or unix:/path, found \"{}\": {}",
                            text.substr(0, 200), why));
}

}  // namespace

std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (equal_without_case(key, name)) return value;
  }
  return std::nullopt;
}

std::string Endpoint::shown() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  if (text.starts_with("unix:")) {
    if (text.size() == 5) return bad_endpoint(text, "the path is empty");
    return Endpoint::unix_socket(std::string(text.substr(5)));
  }
  if (text.starts_with("https://")) {
    return Status(Code::kUnsupported, "address: https is not built in; use http on this machine");
  }
  if (!text.starts_with("http://")) return bad_endpoint(text, "the scheme is unknown");
  std::string_view rest = text.substr(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  std::size_t host_end = rest.rfind(':');
  std::string_view host = rest;
  if (rest.starts_with('[')) {
    const std::size_t bracket = rest.find(']');
    if (bracket == std::string_view::npos) return bad_endpoint(text, "\"]\" is missing");
    host = rest.substr(1, bracket - 1);
    host_end = bracket + 1 < rest.size() ? bracket + 1 : std::string_view::npos;
    if (host_end != std::string_view::npos && rest[host_end] != ':') {
      return bad_endpoint(text, "a port must follow \"]\"");
    }
  } else {
    host = rest.substr(0, host_end);
  }
  if (host.empty() || host.find_first_of("/?#@ ") != std::string_view::npos) {
    return bad_endpoint(text, "the host is not a name or number");
  }
  std::uint16_t port = 80;
  if (host_end != std::string_view::npos) {
    const std::string_view digits = rest.substr(host_end + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) {
      return bad_endpoint(text, "the port must be a number from 1 to 65535");
    }
  }
  return Endpoint::tcp(std::string(host), port);
}

std::string_view status_reason(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

}  // namespace panal::net
