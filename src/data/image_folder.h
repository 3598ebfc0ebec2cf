// A folder of images whose sub folders are the classes.
#pragma once

#include <filesystem>

#include "data/labelled_records.h"

namespace svtune {

// As read_images() says, in the order of the files' paths. `skip`: files beside the sub folders are
// counted as bad instead of refused.
LabelledRecords read_image_folder(const std::filesystem::path& path, bool skip);

}  // namespace svtune
