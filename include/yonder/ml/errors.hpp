// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

#include "yonder/ml/export.hpp"

namespace yonder::ml {

// What is wrong with a model's file, in words. what() joins them:
// "<file>: found <found>; expected <expected>; <advice>".
struct model_fault {
  std::string file;      // its path
  std::string found;     // what is there
  std::string expected;  // what should be
  std::string advice;    // what to do
};

// A model folder that cannot be used. Nothing of it is kept: the next model loads as if this one had never
// been tried.
class YONDER_KERNELS_API model_error : public std::runtime_error {
 public:
  explicit model_error(model_fault fault);
  // For what carries exceptions from one process to another, as all constructors from what() here; their
  // serialize brings the rest.
  explicit model_error(std::string const& what) : std::runtime_error(what) {}
  model_error(model_error const&) = default;
  model_error& operator=(model_error const&) = default;
  ~model_error() override;

  std::string const& file() const noexcept { return fault_.file; }          // as in model_fault
  std::string const& found() const noexcept { return fault_.found; }        // as in model_fault
  std::string const& expected() const noexcept { return fault_.expected; }  // as in model_fault
  std::string const& advice() const noexcept { return fault_.advice; }      // as in model_fault

  template <class Archive>
  void serialize(Archive& archive) {
    archive(fault_.file, fault_.found, fault_.expected, fault_.advice);
  }

 private:
  model_fault fault_;
};

// A file that the model needs is not there, or cannot be read.
class YONDER_KERNELS_API missing_file : public model_error {
 public:
  using model_error::model_error;
  ~missing_file() override;
};

// The bytes of a file are not what its format says.
class YONDER_KERNELS_API malformed_file : public model_error {
 public:
  using model_error::model_error;
  ~malformed_file() override;
};

// A file ends before its own header says that it does.
class YONDER_KERNELS_API truncated_file : public malformed_file {
 public:
  using malformed_file::malformed_file;
  ~truncated_file() override;
};

// Each file is well formed, but they contradict each other: a weight of another shape than config.json says,
// a weight that is no finite number, a token past the end of the embeddings. Of tokens and embeddings, a call
// throws it whose text meets them; the model stays usable for others.
class YONDER_KERNELS_API inconsistent_model : public model_error {
 public:
  using model_error::model_error;
  ~inconsistent_model() override;
};

// A valid model that this library does not run: another architecture, tokenizer or data type.
class YONDER_KERNELS_API unsupported_model : public model_error {
 public:
  using model_error::model_error;
  ~unsupported_model() override;
};

// A text that the model cannot take. The model stays usable.
class YONDER_KERNELS_API text_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~text_error() override;
};

// The text is not UTF-8. Never replaced silently: a caller who wants U+FFFD puts it in.
class YONDER_KERNELS_API invalid_utf8 : public text_error {
 public:
  explicit invalid_utf8(std::size_t offset);
  explicit invalid_utf8(std::string const& what) : text_error(what) {}
  ~invalid_utf8() override;

  // Of the first byte that begins no valid code point.
  std::size_t offset() const noexcept { return offset_; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(offset_);
  }

 private:
  std::size_t offset_ = 0;
};

// The text has more tokens than the model can take, and text_options::truncate is off.
class YONDER_KERNELS_API text_too_long : public text_error {
 public:
  explicit text_too_long(std::size_t max_tokens);
  explicit text_too_long(std::string const& what) : text_error(what) {}
  ~text_too_long() override;

  // What the model, or text_options::max_tokens, allows.
  std::size_t max_tokens() const noexcept { return max_tokens_; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(max_tokens_);
  }

 private:
  std::size_t max_tokens_ = 0;
};

// A GPU was asked for, and a call to it failed. The model stays usable, unless it is gpu_unusable.
class YONDER_KERNELS_API gpu_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~gpu_error() override;
};

// text_options::device names a GPU that cannot be used: built without CUDA, no driver, no such device, one
// that is too old, no cuBLASLt.
class YONDER_KERNELS_API gpu_unavailable : public gpu_error {
 public:
  using gpu_error::gpu_error;
  ~gpu_unavailable() override;
};

// The GPU's memory does not hold the model, or one text alone of a batch. A batch that is too large as a
// whole does not throw: it is run in parts.
class YONDER_KERNELS_API gpu_out_of_memory : public gpu_error {
 public:
  using gpu_error::gpu_error;
  ~gpu_out_of_memory() override;
};

// A kernel or the hardware failed in a way after which CUDA serves this process no more: every further call
// throws this too. A worker that sees it must be replaced by a new process.
class YONDER_KERNELS_API gpu_unusable : public gpu_error {
 public:
  using gpu_error::gpu_error;
  ~gpu_unusable() override;
};

}  // namespace yonder::ml
