#include "server/cli.h"

int main(int argc, char** argv) { return ms::server::run_cli(argc, argv); }
