// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/commands.hpp"

#include "cli/topics.hpp"

namespace bpfport {

std::vector<Command> add_commands(CommandLine& app, GlobalOptions options) {
    app.set_version_flag("--version", BPFPORT_VERSION);
    app.add_option("--netns", options.netns, "Network namespace: a name, a path or a process id")
        ->type_name("NAME|PATH|PID")
        ->suggest(Values::kNetns);
    app.add_option("--state", options.root, "Where state is kept, a directory in a bpffs")
        ->type_name("DIR")
        ->suggest(Values::kDirectories);
    app.footer(help_footer());
    std::vector<Command> commands = {
        add_attach(app),  add_detach(app),   add_status(app), add_stats(app),    add_top(app),
        add_metrics(app), add_exporter(app), add_ss(app),     add_trace(app),    add_doctor(app),
        add_grant(app),   add_revoke(app),   add_run(app),    add_oci_hook(app), add_check(app),
        add_apply(app),   add_confirm(app),  add_serve(app),  add_export(app)};
    commands.push_back(add_help(app));
    return commands;
}

CommandText command_text() {
    std::string netns, root = kDefaultRoot;
    CommandLine app(kDescription, "bpfport");
    add_commands(app, {netns, root});
    return app.text();
}

} // namespace bpfport
