# precompile(TARGET HEADERS...): the headers that nearly every file includes, and HEADERS, are compiled once for TARGET.
# precompile_as(TARGET OTHER): uses OTHER's. Not among them: nlohmann/json.hpp and CLI/CLI.hpp. With gcc a file that
# doesn't use them would take longer for them in a precompiled header than it takes without one. Nor libbpf's: they and libpcap's define the same struct.
set(common_headers
    <algorithm> <array> <charconv> <chrono> <cstdint> <cstring> <expected> <filesystem> <fstream> <functional> <map>
    <memory> <optional> <set> <span> <sstream> <string> <string_view> <tuple> <utility> <vector>
    <fmt/format.h> <fmt/ostream.h>)

function(precompile target)
    if(BPFPORT_PRECOMPILE)
        target_precompile_headers(${target} PRIVATE ${common_headers} ${ARGN})
    endif()
endfunction()

function(precompile_as target other)
    if(BPFPORT_PRECOMPILE)
        target_precompile_headers(${target} REUSE_FROM ${other})
    endif()
endfunction()
