# Cross-building with Debian's compilers against another architecture's packages, which vmtests/sysroot.sh keeps in a cache:
#
#     cmake --preset arm64 && cmake --build --preset arm64
#
# BPFPORT_ARCHITECTURE is Debian's name of it. Compilers: g++-aarch64-linux-gnu, g++-s390x-linux-gnu.
set(BPFPORT_ARCHITECTURE arm64 CACHE STRING "Debian architecture to build for")
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES BPFPORT_ARCHITECTURE)
set(processor_arm64 aarch64)
set(processor_s390x s390x)
if(NOT DEFINED processor_${BPFPORT_ARCHITECTURE})
    message(FATAL_ERROR "BPFPORT_ARCHITECTURE=${BPFPORT_ARCHITECTURE}: arm64 or s390x")
endif()
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${processor_${BPFPORT_ARCHITECTURE}})
set(triplet ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)
set(CMAKE_C_COMPILER ${triplet}-gcc)
set(CMAKE_CXX_COMPILER ${triplet}-g++)

execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../vmtests/sysroot.sh ${BPFPORT_ARCHITECTURE}
    OUTPUT_VARIABLE CMAKE_SYSROOT OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR}
    ${CMAKE_SYSROOT}/usr/lib/${triplet}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})

# The test programs run in vmtests/ only: nothing is asked of them while building.
set(CMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE PRE_TEST)
