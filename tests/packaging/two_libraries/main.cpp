// SPDX-License-Identifier: Apache-2.0
int first_library(int number);
int second_library(int number);

int main() { return first_library(21) == 42 && second_library(21) == 42 ? 0 : 1; }
