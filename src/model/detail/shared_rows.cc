#include "model/detail/shared_rows.h"

#include <torch/types.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace panal::model::detail {
namespace {

at::Tensor on(const c10::Device& device, const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::kLong).to(device);
}

}  // namespace

at::Tensor SharedRows::spread(const at::Tensor& values) const {
  return values.squeeze(0).index_select(0, place).view({rows, length, values.size(-1)});
}

at::Tensor SharedRows::gathered(const at::Tensor& values) const {
  return values.reshape({rows * length, values.size(-1)}).index_select(0, first_place).unsqueeze(0);
}

SharedRows share_rows(const at::Tensor& tokens, std::span<const std::int64_t> positions,
                      const c10::Device& device) {
  const std::int64_t B = tokens.size(0), T = tokens.size(1);
  std::vector<std::int64_t> ends(static_cast<std::size_t>(B));  // What is wanted of each row.
  for (const std::int64_t position : positions) {
    std::int64_t& end = ends[static_cast<std::size_t>(position / T)];
    end = std::max(end, position % T + 1);
  }
  if (std::ranges::max(ends) == 0) ends.front() = 1;
  const at::Tensor contiguous = tokens.contiguous();
  const auto* token = contiguous.const_data_ptr<std::int64_t>();
  constexpr std::int64_t kBegin = -1;
  // By the output before and the token.
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> known;
  std::vector<std::int64_t> distinct, places_in_row, place(static_cast<std::size_t>(B * T)),
      first_place;
  for (std::int64_t row = 0; row < B; ++row) {
    std::int64_t before = kBegin;
    for (std::int64_t t = 0; t < ends[static_cast<std::size_t>(row)]; ++t) {
      const std::int64_t at = row * T + t;
      const auto [entry, is_new] =
          known.try_emplace({before, token[at]}, static_cast<std::int64_t>(distinct.size()));
      if (is_new) {
        distinct.push_back(token[at]);
        places_in_row.push_back(t);
        first_place.push_back(at);
      }
      before = place[static_cast<std::size_t>(at)] = entry->second;
    }
  }
  return {.rows = B,
          .length = T,
          .tokens = on(device, distinct).unsqueeze(0),
          .positions = on(device, places_in_row).unsqueeze(0),
          .place = on(device, place),
          .first_place = on(device, first_place)};
}

}  // namespace panal::model::detail
