// Every operation that launch() knows.
#pragma once

#include "kernels/cuda/activation.h"
#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/newton_schulz.h"
#include "kernels/cuda/norm.h"
#include "kernels/cuda/update.h"

#define PANAL_NORM_OPERATIONS(X)         \
  X(ResidualNorm<float>)                 \
  X(ResidualNorm<std::uint16_t>)         \
  X(ResidualNormBackward<float>)         \
  X(ResidualNormBackward<std::uint16_t>) \
  X(SumRows)                             \
  X(QkNormRotate<float>)                 \
  X(QkNormRotate<std::uint16_t>)         \
  X(QkNormRotateBackward<float>)         \
  X(QkNormRotateBackward<std::uint16_t>)
#define PANAL_ACTIVATION_OPERATIONS_OF(X, ...)      \
  X(Activation<__VA_ARGS__, Kind::kSwiGlu>)         \
  X(Activation<__VA_ARGS__, Kind::kGelu>)           \
  X(Activation<__VA_ARGS__, Kind::kReluSquared>)    \
  X(ActivationBackward<__VA_ARGS__, Kind::kSwiGlu>) \
  X(ActivationBackward<__VA_ARGS__, Kind::kGelu>)   \
  X(ActivationBackward<__VA_ARGS__, Kind::kReluSquared>)
#define PANAL_ACTIVATION_OPERATIONS(X)     \
  PANAL_ACTIVATION_OPERATIONS_OF(X, float) \
  PANAL_ACTIVATION_OPERATIONS_OF(X, std::uint16_t)
#define PANAL_CROSS_ENTROPY_OPERATIONS(X) \
  X(CrossEntropy<float>)                  \
  X(CrossEntropy<std::uint16_t>)
#define PANAL_UPDATE_OPERATIONS(X) \
  X(AdamW) X(Momentum) X(Change) X(Transport) X(LookAhead) X(ExactCopy) X(SquareSum) X(SquareTotal)
#define PANAL_NEWTON_SCHULZ_OPERATIONS(X) X(Normalise) X(SymmetricProduct)
