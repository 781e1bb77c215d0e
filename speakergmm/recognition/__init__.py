"""Acoustic models of phones and words, from transcribed recordings to alignments and transcripts."""
