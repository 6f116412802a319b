"""Formats of the field, read and written: FASTA, bigWig, BED and narrowPeak, FASTQ and fragments."""
