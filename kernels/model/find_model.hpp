// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace yonder::kernels {

// The folder of a model that is on this machine:
// - `name` itself, where it is a folder: or its snapshot, where it is a repository of Hugging Face's cache
//   (models--ORG--NAME, of the revision main);
// - of a name ORG/NAME or NAME, with @REVISION or without (main): ORG/NAME or models--ORG--NAME in one of the
//   folders of YONDER_MODELS (parted by colons), or models--ORG--NAME in Hugging Face's cache: HF_HUB_CACHE,
//   HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub or ~/.cache/huggingface/hub.
// What is neither is returned as it is: the first file that is not there tells. Nothing is downloaded. The
// cache's layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
// Throws ml::missing_file where no such model or revision is there.
std::filesystem::path find_model(std::filesystem::path const& name);

}  // namespace yonder::kernels
