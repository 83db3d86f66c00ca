/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Runs a fuzz target without libFuzzer: over the files that are named on the
 * command line or, without any, over its seeds, as a test of "make check". */

#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned int n;

static void
run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    uint8_t *data;

    FUZZ_CHECK(file && !fstat(fileno(file), &st));
    data = malloc(st.st_size);
    FUZZ_CHECK(fread(data, 1, st.st_size, file) == (size_t) st.st_size);
    fclose(file);
    printf("# %s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, st.st_size);
    printf("ok %u - %s\n", ++n, strrchr(path, '/') ? strrchr(path, '/') + 1
                                                    : path);
    free(data);
}

/* Runs all files in "SRCDIR/tests/DIR/NAME", if there are any. */
static void
run_directory(const char *dir, const char *name)
{
    const char *srcdir = getenv("srcdir");      /* Set by "make check". */
    struct dirent **entries;
    char path[4096];
    int n_entries;

    snprintf(path, sizeof path, "%s/tests/%s/%s", srcdir ? srcdir : ".", dir,
             name);
    n_entries = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n_entries; i++) {
        if (entries[i]->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/tests/%s/%s/%s",
                     srcdir ? srcdir : ".", dir, name, entries[i]->d_name);
            run_file(path);
        }
        free(entries[i]);
    }
    if (n_entries >= 0) {
        free(entries);
    }
}

int
main(int argc, char *argv[])
{
    const char *name = strstr(argv[0], "fuzz-");

    for (int i = 1; i < argc; i++) {
        run_file(argv[i]);
    }
    if (argc < 2 && name) {
        /* What clients send is a case of a unit test as well. */
        name = strrchr(name, '-') + 1;
        run_directory("fuzz/seeds", name);
        run_directory("unit", name);
    }
    printf("1..%u\n", n);
    return !n;
}
