# Third-party libraries, and which room may link which: a library sits behind one door.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(ICU COMPONENTS uc i18n REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
if(PANAL_CONTROL_ROOMS)
  pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
  pkg_check_modules(TEXTCAT REQUIRED IMPORTED_TARGET libexttextcat)
endif()

set(PANAL_LIBRARIES_base nlohmann_json::nlohmann_json fmt::fmt spdlog::spdlog yaml-cpp PkgConfig::SODIUM PkgConfig::XXHASH ICU::uc Threads::Threads)
set(PANAL_LIBRARIES_net Boost::headers)
set(PANAL_LIBRARIES_tokenizer PkgConfig::PCRE2 ICU::uc ICU::i18n)
set(PANAL_LIBRARIES_chat ICU::uc)
set(PANAL_LIBRARIES_data ICU::uc ICU::i18n PkgConfig::ZLIB PkgConfig::ZSTD)
if(PANAL_CONTROL_ROOMS)
  list(APPEND PANAL_LIBRARIES_store PkgConfig::SQLITE)
  list(APPEND PANAL_LIBRARIES_topics ICU::uc PkgConfig::TEXTCAT)
else()
  # What only the control wing calls, and what it alone needs a library for.
  set(PANAL_LEFT_OUT_store "/(database|faulty_vfs)\\.cc$")
endif()

# torch: the PyTorch C++ library inside a wheel. PANAL_TORCH_DIR is the folder `torch` of a wheel or an
# installation; scripts/build.sh finds it. find_package(Torch) is not used: for CUDA wheels it wants a whole
# CUDA toolkit, which compiling against the headers does not need.
if(PANAL_TORCH_ROOMS)
  set(PANAL_TORCH_DIR "${CMAKE_SOURCE_DIR}/.deps/torch" CACHE PATH "Folder 'torch' of a PyTorch 2.11 or newer")
  if(NOT EXISTS ${PANAL_TORCH_DIR}/lib/libtorch_cpu.so)
    message(FATAL_ERROR "PyTorch was expected in ${PANAL_TORCH_DIR}, but lib/libtorch_cpu.so is not there. "
                        "Run scripts/setup.sh, or set PANAL_TORCH to the folder of an installed PyTorch.")
  endif()
  add_library(panal_torch INTERFACE)
  target_include_directories(panal_torch SYSTEM INTERFACE ${PANAL_TORCH_DIR}/include
                             ${PANAL_TORCH_DIR}/include/torch/csrc/api/include)
  target_link_directories(panal_torch INTERFACE ${PANAL_TORCH_DIR}/lib)
  target_link_options(panal_torch INTERFACE -Wl,-rpath,${PANAL_TORCH_DIR}/lib)
  target_link_libraries(panal_torch INTERFACE torch_cpu c10)
  # at::parallel_for runs on one thread in code compiled without OpenMP; libgomp comes from the wheel's folder.
  target_compile_options(panal_torch INTERFACE -fopenmp)
  # The wheel's include folder holds a newer fmt than the system's library: its code must come with its headers.
  target_compile_definitions(panal_torch INTERFACE FMT_HEADER_ONLY)
  target_link_options(panal_torch INTERFACE -fopenmp)
  if(EXISTS ${PANAL_TORCH_DIR}/lib/libtorch_cuda.so)
    # Nothing refers to its symbols by name, so the linker would drop it and with it the CUDA back end.
    target_link_libraries(panal_torch INTERFACE -Wl,--no-as-needed torch_cuda c10_cuda -Wl,--as-needed)
  endif()
endif()

# NCCL, for CUDA devices that exchange by themselves: from the wheel beside PyTorch's, whose library torch loads anyway.
# A build without it goes through the host's memory (src/kernels/no_nccl).
if(PANAL_TORCH_ROOMS AND PANAL_CUDA)
  set(PANAL_NCCL_DIR "${PANAL_TORCH_DIR}/../nvidia/nccl" CACHE PATH "Folder with include/nccl.h and lib/libnccl.so.2")
  if(EXISTS ${PANAL_NCCL_DIR}/include/nccl.h AND EXISTS ${PANAL_NCCL_DIR}/lib/libnccl.so.2)
    add_library(panal_nccl INTERFACE)
    target_include_directories(panal_nccl SYSTEM INTERFACE ${PANAL_NCCL_DIR}/include ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
    target_link_libraries(panal_nccl INTERFACE ${PANAL_NCCL_DIR}/lib/libnccl.so.2)
    target_link_options(panal_nccl INTERFACE -Wl,-rpath,${PANAL_NCCL_DIR}/lib)
  else()
    message(WARNING "NCCL was expected in ${PANAL_NCCL_DIR}, but include/nccl.h or lib/libnccl.so.2 is not there. The build goes "
                    "on without it: several processes exchange gradients through the host's memory. The wheel nvidia-nccl-cu13 "
                    "has both; -DPANAL_NCCL_DIR= names another folder.")
  endif()
endif()
