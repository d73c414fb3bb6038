#include "space/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/platform.h"
#include "liaison.h"

int liaison_root(uint32_t uid, bool shared, char *path, size_t size)
{
    /* The same place for a login session, a cron job and `sudo -u`: XDG_RUNTIME_DIR is set in the
     * first only. */
    const char *given = secure_getenv("LIAISON_ROOT"); /* no environment for a setuid program */
    const char *end = shared ? ".shared" : "";
    bool said = given && given[0];
    if (said && given[0] != '/')
        return LIAISON_INVALID;
    int n = said ? snprintf(path, size, "%s/%u%s", given, uid, end)
                 : snprintf(path, size, PLATFORM_SHM "/liaison-%u%s", uid, end);
    return n < 0 || (size_t)n >= size ? LIAISON_INVALID : LIAISON_OK;
}

int root_open_or_make(int parent, const char *name, const struct shape *shape, bool create,
                      const struct content *content)
{
    int fd = directory_open(parent, name, shape);
    if (fd != -ENOENT || !create)
        return fd;
    int r = directory_make(parent, name, shape, content);
    return r == 0 || r == -EEXIST ? directory_open(parent, name, shape) : r;
}

/* Opens the directory in which the root is: the user's own choice, which symbolic links may lead
 * to, but not a directory in which other users could rename the root. */
static int open_above(const char *root, uid_t owner, bool create)
{
    char above[PATH_MAX];
    struct stat st;
    if ((size_t)snprintf(above, sizeof above, "%s", root) >= sizeof above)
        return -ENAMETOOLONG;
    char *slash = strrchr(above, '/');
    slash[slash == above] = 0;
    int fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* /dev/shm is for all users: liaison does not make it if the system lacks it, not even as
     * root. */
    bool system = strcmp(above, PLATFORM_SHM) == 0;
    if (fd < 0 && errno == ENOENT && system)
        return platform_lacks(PLATFORM_SHM);
    if (fd < 0 && errno == ENOENT && create && (mkdir(above, 0700) == 0 || errno == EEXIST))
        fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fstat(fd, &st) != 0 ? -errno : directory_trusted(&st, owner) ? fd : -EACCES;
    if (r < 0)
        close(fd);
    return r;
}

bool root_is_shared(const char *root)
{
    size_t n = strlen(root);
    return n > 7 && strcmp(root + n - 7, ".shared") == 0; /* as liaison_root ends it */
}

int root_open(const char *root, uid_t owner, bool create)
{
    struct shape shape = {owner, root_is_shared(root) ? 0711 : 0700, (gid_t)-1};
    int above = open_above(root, owner, create);
    if (above < 0)
        return above;
    int fd = root_open_or_make(above, strrchr(root, '/') + 1, &shape, create, &directory_empty);
    close(above);
    return fd;
}

void root_sweep(const char *root, uid_t owner, const struct content *space)
{
    int above = open_above(root, owner, false);
    int fd = above < 0 ? above : root_open(root, owner, false);
    if (above >= 0) {
        directory_sweep(above, space);
        close(above);
    }
    if (fd >= 0) {
        directory_sweep(fd, space);
        close(fd);
    }
}
