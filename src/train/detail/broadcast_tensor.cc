#include "train/detail/broadcast_tensor.h"

#include <ATen/ops/empty.h>

#include <span>

#include "base/error.h"

namespace panal::train::detail {
namespace {

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  PANAL_REQUIRE(tensor.is_contiguous() && tensor.device().is_cpu(),
                "ranks exchange contiguous tensors on the CPU, found another kind");
  return {static_cast<std::byte*>(tensor.data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

}  // namespace

Status broadcast_tensor(swarm::Group& group, const at::Tensor& tensor, int root) {
  if (tensor.device().is_cpu()) return group.broadcast_bytes(bytes_of(tensor), root);
  const bool is_root = group.rank() == root;
  const at::Tensor host = is_root ? tensor.detach().to(at::kCPU).contiguous()
                                  : at::empty(tensor.sizes(), tensor.scalar_type());
  PANAL_TRY(group.broadcast_bytes(bytes_of(host), root));
  if (!is_root) tensor.detach().copy_(host);
  return Status();
}

}  // namespace panal::train::detail
