# cmake -DOUTPUT=file.cpp -DSOURCE_DIR=assets -P embed.cmake
# Writes the files of assets/ as string constants; nothing but CMake is needed.
set(code "#include \"report/assets.h\"\n\nnamespace svtune::assets {\n\n")
foreach(pair "kPageHtml=page.html" "kReportCss=report.css" "kReportJs=report.js")
  string(REGEX MATCH "([^=]+)=(.+)" _ "${pair}")
  set(name "${CMAKE_MATCH_1}")
  file(READ "${SOURCE_DIR}/${CMAKE_MATCH_2}" text)
  if(text MATCHES "\\)svtune\"")
    message(FATAL_ERROR "${CMAKE_MATCH_2} contains the end of a raw string")
  endif()
  string(APPEND code "const std::string_view ${name} = R\"svtune(${text})svtune\";\n\n")
endforeach()
string(APPEND code "}  // namespace svtune::assets\n")
file(WRITE "${OUTPUT}" "${code}")
