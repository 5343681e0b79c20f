// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

// What the example is told: nothing of Yonder.

struct arguments {
  std::string model = SENTIMENT_MODEL;
  std::string file = SENTIMENT_TEXTS;
  unsigned workers = 2;
  std::string connect;
  std::string keys;
  std::vector<std::string> bind;
};

inline arguments parse(int argc, char** argv) {
  arguments given;
  CLI::App app("Classifies the lines of a text file as positive or negative, here and on workers.");
  app.add_option("--model", given.model,
                 "a Hugging Face folder: BERT, DistilBERT or RoBERTa for sequence classification")
      ->check(CLI::ExistingDirectory)
      ->transform([](std::string const& folder) { return std::filesystem::absolute(folder).string(); });
  app.add_option("--file", given.file, "a text file, one text a line")->check(CLI::ExistingFile);
  app.add_option("--workers", given.workers, "how many worker processes")->check(CLI::Range(1, 256));
  app.add_option("--connect", given.connect, "a hub elsewhere, tcp://host:port or ipc:///folder/name");
  app.add_option("--keys", given.keys, "the folder of keys for --connect and --bind");
  app.add_option(
      "--bind", given.bind,
      "where workers on other machines come in, tcp://host:port: those that $YONDER_LAUNCH starts");
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& e) {
    std::exit(app.exit(e));
  }
  return given;
}

// Of the file's lines those that are not blank: one at least.
inline std::vector<std::string> lines_of(std::string const& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    if (line.find_first_not_of(" \t\r") != std::string::npos) lines.push_back(line);
  if (lines.empty())
    throw std::runtime_error(path + " has no text: every line of it is blank, or it cannot be read");
  return lines;
}
