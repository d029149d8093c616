// A small state machine over JSON events. States, entered by the event named:
//   kStart -> kNames ({)             names of tensors, and "__metadata__"
//   kNames -> kMetadata | kTensor ({ after a name), back by }
//   kTensor -> kShape | kOffsets ([ after "shape" or "data_offsets"), back by ]
//   kNames -> kDone (})
// Any other event in a state is an error, so nesting is bounded by the machine itself.
#include "weights/detail/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "base/json.h"
#include "weights/detail/decode.h"

namespace panal::weights::detail {
namespace {

constexpr std::size_t kMaxTensors = 1'000'000;
constexpr std::size_t kMaxDimensions = 16;
constexpr std::uint64_t kMaxDimension = std::uint64_t{1} << 62;

std::string shown(const std::string& text) { return json_shown(Json(text)); }

class HeaderEvents final : public nlohmann::json_sax<nlohmann::json> {
 public:
  SafetensorsHeader header;
  std::string problem;  // What was wrong, when an event returned false.

  bool start_object(std::size_t) override;
  bool key(std::string& name) override;
  bool end_object() override;
  bool start_array(std::size_t) override;
  bool end_array() override;
  bool string(std::string& text) override;
  bool number_unsigned(std::uint64_t value) override;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("true or false"); }
  bool number_integer(std::int64_t value) override { return unexpected(std::to_string(value)); }
  bool number_float(double, const std::string& text) override { return unexpected(text); }
  bool binary(nlohmann::json::binary_t&) override { return unexpected("bytes"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return refuse(fmt::format(
        "expected valid JSON in the header, but it ends or breaks at its byte {}", position));
  }

 private:
  enum class State { kStart, kNames, kMetadata, kTensor, kShape, kOffsets, kDone };

  bool refuse(std::string message) {
    problem = std::move(message);
    return false;
  }
  bool unexpected(const std::string& found) {
    const std::string at = name_.empty() ? "the header" : shown(name_);
    return refuse(fmt::format("in {}{}, found {} where it cannot be", at,
                              member_.empty() ? "" : ", " + shown(member_), found));
  }
  bool finish_tensor();

  State state_ = State::kStart;
  std::string name_;    // Of the tensor, or "__metadata__".
  std::string member_;  // The last key inside it.
  bool has_metadata_ = false;
  bool has_shape_ = false;
  TensorInfo tensor_;
  std::vector<std::uint64_t> offsets_;
  std::unordered_set<std::string> names_;
};

bool HeaderEvents::start_object(std::size_t) {
  if (state_ == State::kStart) {
    state_ = State::kNames;
    return true;
  }
  if (state_ != State::kNames) return unexpected("an object");
  member_.clear();
  if (name_ == "__metadata__") {
    if (std::exchange(has_metadata_, true)) return refuse("\"__metadata__\" appears twice");
    state_ = State::kMetadata;
    return true;
  }
  if (!names_.insert(name_).second) return refuse("tensor " + shown(name_) + " appears twice");
  if (names_.size() > kMaxTensors) return refuse(fmt::format("more than {} tensors", kMaxTensors));
  tensor_ = TensorInfo{};
  tensor_.name = name_;
  offsets_.clear();
  has_shape_ = false;
  state_ = State::kTensor;
  return true;
}

bool HeaderEvents::key(std::string& name) {
  if (state_ == State::kNames) {
    name_ = name;
    return true;
  }
  member_ = name;
  if (state_ == State::kMetadata) {
    return header.metadata.contains(name) ? refuse("metadata " + shown(name) + " appears twice")
                                          : true;
  }
  const bool is_again = (name == "dtype" && !tensor_.type_name.empty()) ||
                        (name == "shape" && has_shape_) ||
                        (name == "data_offsets" && !offsets_.empty());
  if (is_again) return unexpected("a second " + shown(name));
  const bool is_known = name == "dtype" || name == "shape" || name == "data_offsets";
  return is_known ? true : unexpected("the key " + shown(name));
}

bool HeaderEvents::string(std::string& text) {
  if (state_ == State::kMetadata) {
    header.metadata.emplace(member_, text);
    return true;
  }
  if (state_ != State::kTensor || member_ != "dtype" || text.empty())
    return unexpected(shown(text));
  tensor_.type_name = text;
  tensor_.type = data_type_from_name(text).value_or(DataType::kUnknown);
  return true;
}

bool HeaderEvents::start_array(std::size_t) {
  if (state_ == State::kTensor && member_ == "shape") {
    state_ = State::kShape;
    has_shape_ = true;
    return true;
  }
  if (state_ == State::kTensor && member_ == "data_offsets") {
    state_ = State::kOffsets;
    return true;
  }
  return unexpected("an array");
}

bool HeaderEvents::end_array() {
  state_ = State::kTensor;
  return true;
}

bool HeaderEvents::number_unsigned(std::uint64_t value) {
  if (state_ == State::kShape && tensor_.shape.size() < kMaxDimensions && value <= kMaxDimension) {
    tensor_.shape.push_back(static_cast<std::int64_t>(value));
    return true;
  }
  if (state_ == State::kOffsets && offsets_.size() < 2) {
    offsets_.push_back(value);
    return true;
  }
  return unexpected(std::to_string(value));
}

bool HeaderEvents::end_object() {
  if (state_ == State::kTensor) {
    state_ = State::kNames;
    return finish_tensor();
  }
  state_ = state_ == State::kMetadata ? State::kNames : State::kDone;
  return true;
}

bool HeaderEvents::finish_tensor() {
  const std::string name = shown(name_);
  if (tensor_.type_name.empty() || !has_shape_ || offsets_.size() != 2 ||
      offsets_[0] > offsets_[1]) {
    return refuse("tensor " + name + " needs \"dtype\", \"shape\" and two rising \"data_offsets\"");
  }
  tensor_.offset_bytes = offsets_[0];
  tensor_.data_bytes = offsets_[1] - offsets_[0];
  const auto num_elements = checked_num_elements(tensor_.shape);
  if (!num_elements)
    return refuse("tensor " + name + ": shape " + shape_text(tensor_.shape) + " is too large");
  tensor_.num_elements = *num_elements;
  const auto block = block_size(tensor_.type);
  const bool fits = !block || (block->values == 1 && tensor_.data_bytes % block->bytes == 0 &&
                               tensor_.data_bytes / block->bytes ==
                                   static_cast<std::uint64_t>(tensor_.num_elements));
  if (!fits) {
    return refuse(
        fmt::format("tensor {}: {} {} does not take the {} bytes that its data_offsets span", name,
                    tensor_.type_name, shape_text(tensor_.shape), tensor_.data_bytes));
  }
  header.tensors.push_back(std::move(tensor_));
  return true;
}

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                                   std::string_view where) {
  const auto corrupt = [&](std::string_view problem) {
    return Status(Code::kCorrupt, fmt::format("{}: {}", where, problem));
  };
  HeaderEvents events;
  if (json.empty() || json.front() != '{')
    return corrupt("expected the header to begin with { at byte 8");
  if (!nlohmann::json::sax_parse(json, &events)) return corrupt(events.problem);

  SafetensorsHeader header = std::move(events.header);
  std::ranges::sort(header.tensors, {}, [](const TensorInfo& info) {
    return std::pair(info.offset_bytes, info.data_bytes);
  });
  std::uint64_t end = 0;
  for (const TensorInfo& info : header.tensors) {
    if (info.offset_bytes != end) {
      return corrupt(
          fmt::format("tensor {} starts at byte {} of the data, but the one before ends at {}",
                      shown(info.name), info.offset_bytes, end));
    }
    end += info.data_bytes;
    if (end > data_bytes) {
      return corrupt(
          fmt::format("tensor {} ends at byte {} of the data, but the file holds only {}",
                      shown(info.name), end, data_bytes));
    }
  }
  if (end != data_bytes) {
    return corrupt(
        fmt::format("the tensors take {} bytes, but the file holds {}", end, data_bytes));
  }
  return header;
}

std::string safetensors_header_text(const std::vector<TensorInfo>& tensors,
                                    const std::map<std::string, std::string>& metadata) {
  // Written piece by piece: Json keeps its members in a list, which is slow for ten thousand of
  // them.
  std::string text = "{";
  if (!metadata.empty()) text += "\"__metadata__\":" + to_line(Json(metadata));
  for (const TensorInfo& info : tensors) {
    if (text.size() > 1) text += ',';
    text +=
        fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}",
                    to_line(Json(info.name)), data_type_name(info.type), to_line(Json(info.shape)),
                    info.offset_bytes, info.offset_bytes + info.data_bytes);
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace panal::weights::detail
