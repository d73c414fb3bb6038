/* A program that runs with another user's rights than its caller's does not ask the caller's
 * environment where its spaces are. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SKIPPED 77 /* as CMakeLists.txt tells ctest */
#define CALLER 65534
#define PLACE "/dev/shm/a-place-of-the-callers"

/* As the program: its rights are root's, its caller is another user. */
static int run_setuid(void)
{
    char root[200];
    if (geteuid() != 0 || getuid() != CALLER)
        return SKIPPED; /* the file system was mounted nosuid */
    CHECK_OK(liaison_root(0, false, root, sizeof root));
    CHECK(strcmp(root, "/dev/shm/liaison-0") == 0);
    return 0;
}

static void copy(const char *from, const char *to)
{
    char bytes[1 << 16];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0700);
    CHECK(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, bytes, sizeof bytes)) != 0;)
        CHECK(n > 0 && write(out, bytes, (size_t)n) == n);
    CHECK(fchmod(out, 04755) == 0);
    close(in);
    close(out);
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/liaison-test-XXXXXX", program[64], root[200];
    if (argc > 1 && strcmp(argv[1], "setuid") == 0)
        return run_setuid();
    setenv("LIAISON_ROOT", PLACE, 1);
    CHECK_OK(liaison_root(7, true, root, sizeof root)); /* but any other program does */
    CHECK(strcmp(root, PLACE "/7.shared") == 0);
    if (geteuid() != 0) {
        fprintf(stderr, "NOT CHECKED: a program of root's that others run needs root\n");
        return SKIPPED;
    }
    CHECK(mkdtemp(directory) && chmod(directory, 0755) == 0);
    snprintf(program, sizeof program, "%s/program", directory);
    copy("/proc/self/exe", program);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(setgid(CALLER) == 0 && setuid(CALLER) == 0);
        execl(program, program, "setuid", NULL);
        abort();
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(unlink(program) == 0 && rmdir(directory) == 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        fprintf(stderr, "NOT CHECKED: /tmp lets no program run as its owner (nosuid)\n");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
