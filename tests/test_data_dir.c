/* Where data lies: a folder given on the command line is one as seen from there, in every verb, and a run finds its data
 * again from wherever it is read. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tests/support/data_sets.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

/* The config, the data, the runs and the working directory are four places; what the config itself names is not there. */
static void begin_apart(void)
{
    begin();
    put_classes(folder, "here/shapes/", 10);
    put_text(folder, "conf/c.json",
             "{\"data\": {\"dataset\": \"folder\", \"dir\": \"none\"},\n"
             " \"model\": {\"input\": [4, 3, 1], \"layers\": [{\"type\": \"flatten\", \"name\": \"flat\"},\n"
             "   {\"type\": \"dense\", \"name\": \"logits\", \"units\": 2}]},\n"
             " \"train\": {\"epochs\": 2, \"batch\": 8}, \"qat\": {\"epochs\": 1},\n"
             " \"compare\": {\"ptq_bits\": 8, \"qat_bits\": 8, \"calibrators\": \"minmax\", \"granularities\": "
             "\"per_channel\"}}\n");
}

static Outcome run(const char *where, const char *command)
{
    return program_run(arena, &(Where){.folder = where}, command);
}

START_TEST(every_verb_sees_it_from_the_working_directory)
{
    begin_apart();
    const char *here = inside("here");
    static const char *const commands[] = {"train ../conf/c.json --out ../runs/m",
                                           "train ../conf/c.json --out ../runs/m --resume",
                                           "eval ../runs/m/last.safetensors",
                                           "ptq ../runs/m/last.safetensors --out ../runs/p",
                                           "verify ../runs/p/model.safetensors",
                                           "qat ../runs/m/last.safetensors --out ../runs/q",
                                           "qat ../runs/m/last.safetensors --out ../runs/q --resume",
                                           "qat ../conf/c.json --out ../runs/s",
                                           "qat ../conf/c.json --out ../runs/s --resume",
                                           "compare ../conf/c.json --out ../runs/t",
                                           "compare ../conf/c.json --out ../runs/t --resume",
                                           "compare ../runs/m/last.safetensors --out ../runs/u",
                                           NULL};
    for (int i = 0; commands[i] != NULL; i++)
        program_must(
            arena, here,
            arena_printf(arena, "%s --quiet --set data.dir=%s", commands[i], i % 2 == 0 ? "shapes" : "./shapes"));
    program_must(arena, here, "export ../runs/m/last.safetensors --float -o ../m.onnx");
    program_must(arena, here, "import ../m.onnx -o ../runs/i --set data.dataset=folder --set data.dir=shapes");
    program_must(arena, here, "export ../runs/p/model.safetensors -o ../q.safetensors --quiet");
    program_must(arena, here, "eval ../q.safetensors --set data.dataset=folder --set data.dir=shapes");
    /* what was saved leads there from anywhere */
    static const char *const models[] = {"m/last", "p/model", "q/last", "s/last", "i/last", "t/float-seed1/last", NULL};
    for (int i = 0; models[i] != NULL; i++) {
        program_must(arena, inside("runs"), arena_printf(arena, "eval %s.safetensors", models[i]));
        program_must(arena, folder, arena_printf(arena, "eval runs/%s.safetensors", models[i]));
    }
    program_must(arena, inside("here/shapes"), "eval ../../runs/m/last.safetensors --set data.dir=.");
    end();
}
END_TEST

START_TEST(a_moved_run_says_what_helps)
{
    begin_apart();
    program_must(arena, inside("here"), "train ../conf/c.json --quiet --out ../runs/m --set data.dir=shapes");
    must(file_make_dir(inside("far/away")));
    ck_assert_int_eq(rename(inside("runs/m"), inside("far/away/m")), 0);
    const Outcome o = run(folder, "eval far/away/m/last.safetensors");
    ck_assert_int_eq(o.code, 1);
    ck_assert_int_eq(line_count(o.err), 1);
    ck_assert_msg(
        strstr(o.err, "far/away/m/config.json: data.dir: there is no folder \"far/away/m/../../here/shapes\"") !=
                NULL &&
            strstr(o.err, "if the data is elsewhere, --set data.dir=FOLDER says where") != NULL,
        "says: %s", o.err);
    program_must(arena, folder, "eval far/away/m/last.safetensors --set data.dir=here/shapes");
    end();
}
END_TEST

TEST_MAIN("data_dir", every_verb_sees_it_from_the_working_directory, a_moved_run_says_what_helps)
