// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport top: live rates in the terminal, by ncurses.
#define NCURSES_NOMACROS // else they take names such as scroll() and timeout()
#include <curses.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <clocale>

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/top_view.hpp"
#include "cli/watch.hpp"

namespace bpfport {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// The terminal is ours while this lives, and as it was afterwards.
class Screen {
  public:
    Screen() {
        std::setlocale(LC_CTYPE, "");
        initscr();
        cbreak();
        noecho();
        keypad(stdscr, TRUE);
        curs_set(0);
    }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    ~Screen() { endwin(); }

    [[nodiscard]] static std::size_t width() { return static_cast<std::size_t>(COLS); }
    [[nodiscard]] static std::size_t height() { return static_cast<std::size_t>(LINES); }

    static void draw(const std::string& title, const std::vector<std::string>& lines) {
        erase();
        mvaddnstr(0, 0, title.c_str(), COLS);
        for (int i = 0; i < static_cast<int>(lines.size()); i++) {
            if (i == 0) attron(A_REVERSE);
            mvaddnstr(i + 1, 0, lines[static_cast<std::size_t>(i)].c_str(), COLS);
            if (i == 0) attroff(A_REVERSE);
        }
        refresh();
    }

    // ERR: none within the patience.
    static int key(milliseconds patience) {
        timeout(static_cast<int>(std::max(patience, milliseconds(0)).count()));
        return getch();
    }
};

// False: the user wants to leave.
bool obey(TopView& view, int key) {
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case '>':
    case KEY_RIGHT:
        view.sort_by_next();
        break;
    case '<':
    case KEY_LEFT:
        view.sort_by_previous();
        break;
    case 'r':
        view.reverse();
        break;
    case KEY_DOWN:
    case 'j':
        view.scroll(1);
        break;
    case KEY_UP:
    case 'k':
        view.scroll(-1);
        break;
    case KEY_NPAGE:
        view.scroll(LINES - 2);
        break;
    case KEY_PPAGE:
        view.scroll(2 - LINES);
        break;
    default: // a resize too: ncurses has the new size already
        break;
    }
    return true;
}

Result<void> top(const Session& session, double interval) {
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return failure("not a terminal", "for machines: bpfport stats --watch --json");
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto now = take_sample(session);
    if (!now) return std::unexpected(now.error());
    const milliseconds period(static_cast<long>(interval * 1000));
    Sample before = *now;
    TopView view;
    Screen screen;
    for (auto next = now->at + period;;) {
        auto rules = activity(before, *now);
        std::string title = rules.empty() ? "bpfport top: nothing is attached   q quit"
                                          : fmt::format("bpfport top: {} rule{}   < > sort ({})   "
                                                        "r reverse   q quit",
                                                        rules.size(), rules.size() == 1 ? "" : "s",
                                                        view.sorted_by());
        Screen::draw(title, view.lines(std::move(rules), Screen::width(), Screen::height() - 1));
        int key = Screen::key(std::chrono::duration_cast<milliseconds>(next - Clock::now()));
        if (!obey(view, key)) return {};
        if (Clock::now() < next) continue;
        auto fresh = take_sample(session);
        if (!fresh) return std::unexpected(fresh.error());
        before = std::exchange(*now, std::move(*fresh));
        next = now->at + period;
    }
}

} // namespace

Command add_top(CommandLine& app) {
    auto interval = std::make_shared<double>(1);
    auto* command = app.add_subcommand("top", "Live rates of each rule");
    command->footer("Keys: < > choose the column to sort by, r reverses, arrows scroll, q leaves.");
    command->add_option("--interval", *interval, "Refresh interval")
        ->type_name("SECONDS")
        ->between(0.1, 3600.0)
        ->capture_default_str();
    return {command, [interval](const Session& session) { return top(session, *interval); }};
}

} // namespace bpfport
