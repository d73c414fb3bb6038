/* around.h — what those who wait at a link look after meanwhile. */
#ifndef LIAISON_AROUND_H
#define LIAISON_AROUND_H

#include "waiting/sleeping.h"

extern const struct surroundings links_around;

#endif
