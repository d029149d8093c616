// Settings for Asio that every file including it must share; include this before any Boost header.
#pragma once

// ThreadSanitizer does not understand fences, and GCC refuses them there. Asio's fences only repeat
// what the lock around each event loop's queue already guarantees.
#if defined(__SANITIZE_THREAD__)
#define BOOST_ASIO_DISABLE_FENCED_BLOCK 1
#endif

// Beast's parser copies an optional that GCC, with AddressSanitizer's extra code in between, no
// longer recognises as empty. The state lasts to the end of the file because templates are compiled
// there.
#if defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
