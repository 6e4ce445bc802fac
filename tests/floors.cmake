message(STATUS "floors")
