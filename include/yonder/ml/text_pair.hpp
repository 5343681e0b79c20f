// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace yonder::ml {

// Two texts that a model reads together: a query and a document, say.
struct text_pair {
  std::string first;   // the query, say
  std::string second;  // the document

  friend bool operator==(text_pair const&, text_pair const&) = default;
};

}  // namespace yonder::ml
