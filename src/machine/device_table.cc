#include "machine/device_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>

namespace panal::machine {
namespace {

constexpr double kTera = 1e12, kGiga = 1e9, kGibi = 1073741824.0;

// Sources. A40: NVIDIA data sheet (149.7 TFLOP/s bf16 dense, 696 GB/s, 300 W). H100 SXM and H200
// SXM: NVIDIA data sheets (989 dense, not 1979, which is sparse). RTX: the Ada and Ampere GA102
// white papers' dense rates with FP32 accumulate, which GeForce runs at half of its FP16 rate;
// 3060: twice its FP32 rate, by the same rule. Arc B580: 20 Xe2 cores at 2.67 GHz.
constexpr Device kDevices[] = {
    {"A40", 149.7 * kTera, 37.4 * kTera, 696 * kGiga, 48 * kGibi, 300, 0.40,
     "public logs of 124M on A40 give 36 to 41 % (modded-nanogpt, track 3)"},
    {"H100", 989 * kTera, 67 * kTera, 3350 * kGiga, 80 * kGibi, 700, 0.40,
     "public logs of 124M on 8 H100 give 39 %, llm.c's 1.5B 46 to 49 %"},
    {"H200", 989 * kTera, 67 * kTera, 4800 * kGiga, 141 * kGibi, 700, 0.42,
     "the best public log of 124M on one H200 gives 42 %"},
    {"4090", 165.2 * kTera, 82.6 * kTera, 1008 * kGiga, 24 * kGibi, 450, 0.40,
     "no public log with this formula; taken as the A40's"},
    {"3090", 71 * kTera, 35.6 * kTera, 936 * kGiga, 24 * kGibi, 350, 0.40,
     "no public log with this formula; taken as the A40's"},
    {"3060", 25.5 * kTera, 12.7 * kTera, 360 * kGiga, 12 * kGibi, 170, 0.40,
     "no public log with this formula; taken as the A40's"},
    {"B580", 109 * kTera, 13.7 * kTera, 456 * kGiga, 12 * kGibi, 190, 0.25,
     "no public log; young software, so less than the others"},
};

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::span<const Device> device_table() { return kDevices; }

Result<Device> find_device(std::string_view name) {
  std::string names;
  for (const Device& device : kDevices) {
    if (lowered(device.name) == lowered(name)) return device;
    names += fmt::format("{}, ", device.name);
  }
  return Status(Code::kInvalidArgument,
                fmt::format("device must be one of {}cpu, found \"{}\"", names, name));
}

}  // namespace panal::machine
