/* SPDX-License-Identifier: MIT */
/*
 * mergemem.c -- mergemem(8): processes of one name, or of given ids.
 */
#include "config.h"

#include "tools/tool.h"

int main(int argc, char *argv[])
{
    struct tool tool = {.name = "mergemem"};
    tool_options(&tool, argc, argv);
    return tool_main(&tool);
}
