# Read by cpack for each generator.
if(CPACK_GENERATOR STREQUAL "TGZ")
    # For hosts without a package: where no package manager has files of its own.
    set(CPACK_BPFPORT_BUNDLE ON)
    set(CPACK_INSTALL_PREFIX /usr/local)
    set(CPACK_INCLUDE_TOPLEVEL_DIRECTORY OFF)
endif()
if(CPACK_BPFPORT_BUNDLE)
    # Its libraries are for itself: a package must neither ask for them nor offer them to others.
    execute_process(COMMAND getconf GNU_LIBC_VERSION OUTPUT_VARIABLE libc OUTPUT_STRIP_TRAILING_WHITESPACE)
    string(REPLACE "glibc " "" libc "${libc}")
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS OFF)
    set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= ${libc})")
    set(CPACK_RPM_PACKAGE_AUTOREQPROV no)
    set(CPACK_RPM_PACKAGE_REQUIRES "glibc >= ${libc}")
endif()
