# BPF objects.
#
# bpf_object(NAME SOURCE [DEFINITIONS...])     compiles SOURCE for the BPF target, strips its DWARF and makes the
#                                              skeleton NAME.skel.h. Link to bpf_NAME to include it.
# bpf_objects_by_every_compiler(TARGET)        TARGET builds the objects above once more, by each clang that is
#                                              installed: clang-<version>/NAME.bpf.o beside them, to be loaded by a test.
#
# Headers are tracked through depfiles.
find_program(BPF_CLANG NAMES clang clang-19 clang-22 clang-18 clang-17 clang-16 clang-15 clang-14 REQUIRED)
find_program(BPF_STRIP NAMES llvm-strip llvm-strip-19 llvm-strip-22 llvm-strip-18 llvm-strip-17 llvm-strip-16
    llvm-strip-15 llvm-strip-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

if(BPFPORT_WERROR)
    set(BPF_WERROR -Werror)
endif()

# asm/types.h lives in a multiarch folder that clang does not search for the BPF target.
if(CMAKE_LIBRARY_ARCHITECTURE)
    set(BPF_ARCH_INCLUDE -idirafter ${CMAKE_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
endif()

# Sets ${result} to the command that compiles SOURCE to OBJECT.
function(bpf_compile_command result clang source object)
    list(TRANSFORM ARGN PREPEND -D OUTPUT_VARIABLE definitions)
    set(${result} ${clang} -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra ${BPF_WERROR}
        -Wno-unused-parameter -Wno-address-of-packed-member -Wno-compare-distinct-pointer-types
        -include ${PROJECT_SOURCE_DIR}/cmake/bpf_compiler.h
        -I ${PROJECT_SOURCE_DIR}/include -I ${PROJECT_SOURCE_DIR}/bpf ${BPF_ARCH_INCLUDE} ${definitions}
        -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object} PARENT_SCOPE)
endfunction()

function(bpf_object name source)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
    set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
    get_filename_component(source ${source} ABSOLUTE)
    bpf_compile_command(compile ${BPF_CLANG} ${source} ${object} ${ARGN})
    add_custom_command(
        OUTPUT ${object} ${skeleton}
        COMMAND ${compile}
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
    set_property(DIRECTORY APPEND PROPERTY bpf_objects ${name})
    set_property(DIRECTORY PROPERTY bpf_${name}_source ${source} ${ARGN})
endfunction()

function(bpf_objects_by_every_compiler target)
    get_property(names DIRECTORY PROPERTY bpf_objects)
    foreach(version RANGE 14 29)
        find_program(BPF_CLANG_${version} clang-${version})
        mark_as_advanced(BPF_CLANG_${version})
        if(NOT BPF_CLANG_${version})
            continue()
        endif()
        set(directory ${CMAKE_CURRENT_BINARY_DIR}/clang-${version})
        file(MAKE_DIRECTORY ${directory})
        foreach(name ${names})
            get_property(source DIRECTORY PROPERTY bpf_${name}_source)
            list(POP_FRONT source file)
            set(object ${directory}/${name}.bpf.o)
            bpf_compile_command(compile ${BPF_CLANG_${version}} ${file} ${object} ${source})
            add_custom_command(OUTPUT ${object} COMMAND ${compile} DEPENDS ${file} DEPFILE ${object}.d
                COMMENT "BPF ${name} by clang-${version}" VERBATIM)
            list(APPEND objects ${object})
        endforeach()
    endforeach()
    add_custom_target(${target} DEPENDS ${objects})
endfunction()
