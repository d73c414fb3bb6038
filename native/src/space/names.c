#include "space/names.h"

#include <string.h>

#include "liaison.h"

bool name_valid(const char *name)
{
    size_t n = strnlen(name, LIAISON_NAME_MAX + 1);
    if (n == 0 || n > LIAISON_NAME_MAX || name[0] == '.' || name[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || (c == '.' && name[i + 1] != '.');
        if (!plain)
            return false;
    }
    return true;
}

bool name_of_link_valid(const char *name)
{
    return name[0] == '~'
               ? strnlen(name, LIAISON_NAME_MAX + 1) <= LIAISON_NAME_MAX && name_valid(name + 1)
               : name_valid(name);
}
