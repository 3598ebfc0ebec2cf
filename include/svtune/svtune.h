// All of svtune's public interface.
#pragma once

#include "svtune/errors.h"
#include "svtune/fine_tune.h"
#include "svtune/memory.h"
#include "svtune/session.h"
#include "svtune/version.h"
