// Portable vector code: plain loops, compiled for three levels of x86-64 and chosen when the
// library is loaded, so that no instruction that the CPU lacks is ever reached.
//
// May touch: nothing.
#pragma once

// Put it before a function whose loops the compiler can vectorise. Sanitizers instrument the
// choosing code before they are initialised, so their builds get the plain form.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(TRAILS_SANITIZED)
#define TRAILS_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TRAILS_SIMD
#endif
