/* SPDX-License-Identifier: MIT */
/*
 * mergeall.c -- mergeall(8): all processes of the machine.
 */
#include "config.h"

#include "tools/tool.h"

int main(int argc, char *argv[])
{
    struct tool tool = {.name = "mergeall", .whole_machine = true};
    tool_options(&tool, argc, argv);
    return tool_main(&tool);
}
