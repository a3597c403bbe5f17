#include "tests/packages/hostile_projects.h"

#include "absl/strings/str_cat.h"

namespace paddock::testing {
namespace {

// Projects of which pip runs the build, and so whatever they say; they need nothing from a
// registry.
constexpr char kProject[] =
    "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n"
    "[project]\nname = \"project\"\nversion = \"1\"\n";

// After a line that says URL.
constexpr char kFetchingBackend[] = R"(import os, urllib.request, zipfile
def build_wheel(directory, settings=None, metadata=None):
    text = urllib.request.urlopen(URL, timeout=20).read().decode()
    name, info = 'project-1-py3-none-any.whl', 'project-1.dist-info/'
    with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:
        wheel.writestr('fetched.py', f'TEXT = {text!r}\n')
        wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\nName: project\nVersion: 1\n')
        wheel.writestr(info + 'WHEEL',
                       'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        wheel.writestr(info + 'RECORD', '')
    return name
)";

}  // namespace

std::map<std::string, std::string> HostileProjects() {
  const std::map<std::string, std::string> scripts = {
      {"loop", "while True:\n        pass"},
      {"fill", "f = open('/var/tmp/fill', 'wb')\n    while True:\n        f.write(b'x' * 1048576)"},
      {"hog", "a = []\n    while True:\n        a.append(bytearray(1 << 24))"},
      {"fork", "import os, time\n    while True:\n        if os.fork() == 0: time.sleep(600)"},
      {"reach",
       "import urllib.request\n    urllib.request.urlopen('http://refused.example/', "
       "timeout=20)"},
      {"leave",
       "import subprocess\n    subprocess.Popen(['sleep', '600'], "
       "start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n    raise "
       "SystemExit('left something')"},
  };
  std::map<std::string, std::string> files;
  for (const auto& [name, script] : scripts) {
    files[absl::StrCat("/opt/", name, "/pyproject.toml")] = kProject;
    files[absl::StrCat("/opt/", name, "/backend.py")] =
        absl::StrCat("def build_wheel(directory, settings=None, metadata=None):\n",
                     "    print('at it', flush=True)\n    ", script, "\n");
  }
  return files;
}

std::map<std::string, std::string> FetchingProject(const std::string& name,
                                                   const std::string& url) {
  return {
      {absl::StrCat("/opt/", name, "/pyproject.toml"), kProject},
      {absl::StrCat("/opt/", name, "/backend.py"),
       absl::StrCat("URL = '", url, "'\n", kFetchingBackend)},
  };
}

std::map<std::string, std::string> DeafRegistries() {
  return {{"/etc/pip.conf",
           "[global]\nbreak-system-packages = true\nindex-url = http://127.0.0.1:9/simple\n"
           "retries = 1\n"},
          {"/etc/apt/sources.list.d/0000sources.list",
           "deb [trusted=yes] http://127.0.0.1:9/debian trixie main\n"}};
}

}  // namespace paddock::testing
