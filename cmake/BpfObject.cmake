# bpf_object(NAME SOURCE [DEFINITIONS...]): compiles SOURCE for the BPF target, strips its DWARF, and makes
# the skeleton NAME.skel.h. Headers are tracked through a depfile. Link to bpf_NAME to include the skeleton.
find_program(BPF_CLANG NAMES clang clang-19 clang-16 clang-14 REQUIRED)
find_program(BPF_STRIP NAMES llvm-strip llvm-strip-19 llvm-strip-16 llvm-strip-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

# asm/types.h lives in a multiarch folder that clang does not search for the BPF target.
if(CMAKE_LIBRARY_ARCHITECTURE)
    set(BPF_ARCH_INCLUDE -idirafter ${CMAKE_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
endif()

function(bpf_object name source)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
    set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
    get_filename_component(source ${source} ABSOLUTE)
    list(TRANSFORM ARGN PREPEND -D OUTPUT_VARIABLE definitions)
    add_custom_command(
        OUTPUT ${object} ${skeleton}
        COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror
                -Wno-unused-parameter -Wno-address-of-packed-member -Wno-compare-distinct-pointer-types
                -include ${PROJECT_SOURCE_DIR}/cmake/bpf_compiler.h
                -I ${PROJECT_SOURCE_DIR}/include -I ${PROJECT_SOURCE_DIR}/bpf ${BPF_ARCH_INCLUDE} ${definitions}
                -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
        COMMAND ${BPF_STRIP} -g ${object}
        COMMAND ${BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
        DEPENDS ${source}
        DEPFILE ${object}.d
        COMMENT "BPF ${name}"
        VERBATIM)
    add_custom_target(bpf_${name}_skeleton DEPENDS ${skeleton})
    add_library(bpf_${name} INTERFACE)
    add_dependencies(bpf_${name} bpf_${name}_skeleton)
    target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
