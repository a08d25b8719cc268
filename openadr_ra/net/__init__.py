"""Bytes over HTTP(S), both ends; knows no OpenADR word but the URL."""
